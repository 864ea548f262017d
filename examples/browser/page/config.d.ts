/** What `python -m examples.browser` writes beside the page: where the model is, and what the form begins with. */
declare const config: {
  server: string;
  model: string;
  features: { name: string; low: number; high: number; shown: boolean }[];
  patients: { values: number[]; malignant: boolean }[];
};
export default config;
