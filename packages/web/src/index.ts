/** Machine learning on encrypted data, the end user's side: keys, encryption, and a server's predictions, decrypted. */
export type { Label, Prediction } from "./encoding/decoder.js";
export type { Encoder, Value } from "./encoding/encoder.js";
export { CategoricalEncoder } from "./encoding/categorical.js";
export { UnusedFeature, type Row } from "./encoding/encoders.js";
export * from "./errors.js";
export { IndexedDbKeyStore } from "./keys/indexed_db.js";
export { MemoryKeyStore } from "./keys/memory.js";
export type { Facts, Keys, KeyStore } from "./keys/store.js";
export { SecretKey } from "./levelled/secret.js";
export { readClientSpec, type ClientSpec } from "./model/client_spec.js";
export {
  connect,
  forgetKeys,
  listModels,
  RemoteModel,
  type Answer,
  type ConnectOptions,
  type ForgetOptions,
  type ModelSummary,
  type Report,
  type ServerOptions,
} from "./server/remote_model.js";
