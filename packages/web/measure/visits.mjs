/**
 * Visits a page of examples/browser in Chromium, for tools/bench/browser.py: node visits.mjs < SETTINGS, milliseconds as JSON.
 *
 * Every first visit has a profile of its own, on disk as people's have.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { site, spki, executable, visits, rows } = JSON.parse(readFileSync(0, "utf8"));
const found = {
  keys: [],
  keysKept: [],
  keysFound: [],
  first: [],
  firstReady: [],
  again: [],
  againReady: [],
  encrypt: [],
  decrypt: [],
};

const told = (page, text) =>
  page.waitForFunction((text) => document.getElementById("status").textContent.includes(text), text);

/** What the page measured itself: reaching the model, and when that was done, from the beginning of the visit. */
async function reached(page, took, ready) {
  await told(page, "Ready");
  const { duration, startTime } = await page.evaluate(() => performance.getEntriesByName("model reached")[0].toJSON());
  took.push(duration);
  ready.push(startTime + duration);
}

for (let visit = 0; visit < visits; visit++) {
  const profile = mkdtempSync(join(tmpdir(), "visit-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", `--ignore-certificate-errors-spki-list=${spki}`],
  });
  const page = await context.newPage();
  await page.goto(`${site}/index.html`);
  await reached(page, found.first, found.firstReady);
  for (let times = 0; times < 3; times++) {
    await page.reload();
    await reached(page, found.again, found.againReady);
  }
  for (let row = 0; row < rows; row++) {
    await page.evaluate(() => (document.getElementById("status").textContent = ""));
    await page.click("#go");
    await told(page, "Decrypted");
    const times = await page.locator("#times tbody td:last-child").allTextContents();
    found.encrypt.push(Number(times.at(-3)));
    found.decrypt.push(Number(times.at(-1)));
  }
  for (const [name, times] of Object.entries({ keysKept: 1, keysFound: 3, keys: 5 })) {
    await page.goto(`${site}/keys.html`);
    await page.waitForFunction((name) => globalThis[name], name);
    for (let time = 0; time < times; time++) found[name].push(await page.evaluate((name) => globalThis[name](), name));
  }
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
process.stdout.write(JSON.stringify(found));
