/**
 * Drives Chromium through the demo's page and a page of rows: node browser.mjs < SETTINGS, what was found as JSON.
 *
 * What each finding must be, test_page.py says.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const settings = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(pathToFileURL(`${settings.web}/package.json`));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { site, server, pictures } = settings;
const found = { consoleErrors: [], otherHosts: [] };

const context = await chromium.launchPersistentContext(settings.profile, {
  executablePath: settings.chromium,
  headless: true,
  viewport: { width: 1180, height: 1400 },
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--ignore-certificate-errors-spki-list=${settings.spki}`,
  ],
});
context.on("request", (request) => {
  const { origin, protocol } = new URL(request.url());
  if (protocol !== "data:" && origin !== site && origin !== server) found.otherHosts.push(request.url());
});

async function opened(path) {
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && found.consoleErrors.push(message.text()));
  page.on("pageerror", (error) => found.consoleErrors.push(error.message));
  await page.goto(`${site}/${path}`);
  return page;
}

const said = (page, text) =>
  page.waitForFunction((text) => document.getElementById("status").textContent.includes(text), text, {
    timeout: 30000,
  });

async function asked(page, patient) {
  await page.selectOption("#sample", String(patient));
  await page.click("#go");
  await said(page, "Decrypted");
  return page.textContent("#label");
}

/** In a world of its own, so that the page's policy stays as it is. */
async function audited(page) {
  const session = await context.newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const world = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  const evaluate = async (expression) => {
    const options = { contextId: world.executionContextId, awaitPromise: true, returnByValue: true };
    return (await session.send("Runtime.evaluate", { ...options, expression })).result.value;
  };
  await evaluate(axe);
  const violations = "violations.map((each) => [each.id, each.nodes.length, each.nodes[0].target[0]])";
  return evaluate(`axe.run().then(({ violations, passes }) => ({ violations: ${violations}, passes: passes.length }))`);
}

const stored = (page) =>
  page.evaluate(async () => {
    const opening = indexedDB.open("cryptable");
    const database = await new Promise((done) => (opening.onsuccess = () => done(opening.result)));
    const all = (store) =>
      new Promise((done) => {
        const request = database.transaction(store).objectStore(store).getAll();
        request.onsuccess = () => done(request.result);
      });
    const [wrapping] = await all("wrapping");
    let exported = "nothing to export";
    if (wrapping)
      exported = await crypto.subtle.exportKey("raw", wrapping).then(
        () => "exported",
        (error) => error.name,
      );
    const sizes = {};
    for (const store of database.objectStoreNames) sizes[store] = (await all(store)).length;
    const keys = (await all("keys")).map((entry) => Object.keys(entry).sort());
    database.close();
    return { exported, extractable: wrapping?.extractable, sizes, keys };
  });

const until = async (what) => {
  for (let tries = 0; !(await what()) && tries < 600; tries++) await new Promise((done) => setTimeout(done, 50));
};

// Two tabs at once, on a first visit.
const [page, two] = await Promise.all([opened("index.html"), opened("index.html")]);
await Promise.all([said(page, "Ready"), said(two, "Ready")]);
const fingerprint = (tab) => tab.textContent("#key");
found.tabsAgree = (await fingerprint(page)) === (await fingerprint(two));
await two.close();

found.policy = await page.evaluate(async () => ({
  fetchElsewhere: await fetch("https://elsewhere.invalid/").then(
    () => "went through",
    (error) => error.name,
  ),
  html: (() => {
    try {
      document.createElement("div").innerHTML = "x";
      return "went through";
    } catch (error) {
      return error.name;
    }
  })(),
}));
found.consoleErrors.length = 0; // those two are meant

found.labels = [];
for (const patient of settings.patients) found.labels.push(await asked(page, patient));
found.reasons = await page.locator("#reasons tbody tr").allTextContents();
found.times = await page.locator("#times tbody tr").allTextContents();
found.stored = await stored(page);
await page.click("summary");
found.axe = { light: await audited(page) };
if (pictures) await page.click("summary");
if (pictures) await page.screenshot({ path: `${pictures}/browser-light.png`, fullPage: true });
await page.emulateMedia({ colorScheme: "dark" });
found.axe.dark = await audited(page);
if (pictures) await page.screenshot({ path: `${pictures}/browser-dark.png`, fullPage: true });
await page.setViewportSize({ width: 380, height: 800 });
found.width = await page.evaluate(() => document.documentElement.scrollWidth);
await page.setViewportSize({ width: 1180, height: 1400 });

// By the keyboard alone.
await page.focus("#sample");
await page.keyboard.press("ArrowDown");
await page.evaluate(() => (document.getElementById("label").textContent = ""));
await page.focus("#main-fields input");
await page.keyboard.press("Enter");
await until(() => page.textContent("#label"));
found.keyboard = await page.textContent("#label");

// A visit with keys, offline, and a visit after they are forgotten.
const before = await fingerprint(page);
await page.reload();
await said(page, "Ready");
found.sameKeyAfterReload = (await fingerprint(page)) === before;
await context.setOffline(true);
await page.click("#go");
await said(page, "cannot be reached");
await context.setOffline(false);
// Chromium tells of every answer that is no 200 as well: keys that are asked for and not there, and being offline.
const meant = /^Failed to load resource: (the server responded with a status of 404|net::ERR_INTERNET_DISCONNECTED)/;
await page.click("#forget");
await said(page, "forgotten");
found.afterForgetting = await stored(page);
await page.reload();
await said(page, "Ready");
found.newKeyAfterForgetting = (await fingerprint(page)) !== before;

const rows = await opened("rows.html");
const protocols = new Set();
const network = await context.newCDPSession(rows);
await network.send("Network.enable");
network.on("Network.responseReceived", ({ response }) => {
  if (response.url.startsWith(server)) protocols.add(`${response.protocol} ${response.securityDetails?.protocol}`);
});
await rows.waitForFunction(() => globalThis.predictRows);
found.rows = await rows.evaluate(([url, tables]) => globalThis.predictRows(url, tables), [server, settings.tables]);
found.protocols = [...protocols];
await context.close();
found.consoleErrors = found.consoleErrors.filter((text) => !meant.test(text));
process.stdout.write(JSON.stringify(found));
