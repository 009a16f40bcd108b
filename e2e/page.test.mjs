// The pages as people see them: with scripts and without, by day and by night, on a desk and in a hand.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startCity } from "./city.mjs";

const districts = ["荔湾", "越秀", "海珠", "天河", "白云", "黄埔", "番禺", "花都", "南沙", "从化", "增城"];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const declaration = {
  person: {
    name: "张三丰",
    document: { type: "passport", number: "E12345678" },
    phone: "13800138000",
    address: "8号101房",
    kind: "resident",
  },
  declared_by: "self",
  residence: { committee: "440106001003", capacity: "owner" },
  health: { symptoms: [], hubei_stay: "none", contact: "none" },
};

let city, browser, pictures;

before(async () => {
  city = await startCity();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", "--no-first-run",
    ],
  });
  pictures = process.env.E2E_PICTURES ?? (await mkdtemp(join(tmpdir(), "suikang-pictures-")));
});

after(async () => {
  await browser?.close();
  await city?.stop();
  if (pictures && !process.env.E2E_PICTURES) await rm(pictures, { recursive: true });
});

// Opens a page, and at its end wants nothing to have gone wrong in it: no error of a script, nothing missing, nothing from elsewhere.
async function visit(path, options, look) {
  const context = await browser.newContext({ baseURL: city.url, locale: "zh-CN", ...options });
  try {
    const page = await context.newPage();
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(String(error)));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) wrong.push(message.text());
    });
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== city.url) wrong.push(`asks ${request.url()}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) wrong.push(`${response.status()} ${response.url()}`);
    });
    const answer = await page.goto(path);
    assert.equal(answer.status(), 200);
    await look(page);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

async function assertAccessible(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate("axe.run()");
  assert.ok(passes.length > 0);
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(grave.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
}

async function assertWholeCity(page) {
  const names = await page.locator("#districts tbody th").allTextContents();
  assert.equal(names.length, districts.length);
  for (const district of districts) assert.ok(names.some((name) => name.includes(district)), `${district} in ${names}`);
  assert.match(await page.title(), /穗康/);
  assert.equal(await page.locator("#districts rect").count(), 24 * districts.length);
}

async function assertFitsItsWidth(page) {
  // A phone would rather shrink a page than let it overflow, so what counts is the table in its place.
  const [table, main] = await Promise.all(["#districts", "main"].map((part) => page.locator(part).boundingBox()));
  assert.ok(main.width <= page.viewportSize().width && table.width <= main.width, `a table of ${table.width} px in ${main.width} px`);
}

async function picture(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

const figures = (page) => page.locator("#tiles b").allTextContents();

test("the figures move by themselves", async () => {
  await visit("/", {}, async (page) => {
    const before = (await figures(page)).join();
    await page.waitForFunction(
      (before) => [...document.querySelectorAll("#tiles b")].map((tile) => tile.textContent).join() !== before,
      before,
      { timeout: 10_000 },
    );
  });
});

for (const colorScheme of ["light", "dark"]) {
  test(`the city on one page, ${colorScheme}`, async () => {
    await visit("/", { colorScheme }, async (page) => {
      await assertWholeCity(page);
      await assertFitsItsWidth(page);
      await page.waitForTimeout(3_000); // the script has drawn over what the server drew
      await assertWholeCity(page);
      await assertAccessible(page);
      await picture(page, colorScheme);
    });
  });
}

test("the city in a hand", async () => {
  await visit("/", { viewport: { width: 375, height: 812 }, isMobile: true }, async (page) => {
    await assertWholeCity(page);
    await picture(page, "hand");
    await assertFitsItsWidth(page);
    await assertAccessible(page);
  });
});

test("without scripts the page stands as it was served", async () => {
  await visit("/", { javaScriptEnabled: false }, async (page) => {
    await assertWholeCity(page);
    for (const figure of await figures(page)) assert.match(figure, /\d/);
  });
});

test("a code on paper fits one page and needs no script", async () => {
  const authorization = `Bearer ${city.tokens.resident}`;
  const answer = await fetch(`${city.url}/v1/declarations`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", prefer: "wait=10" },
    body: JSON.stringify(declaration),
  });
  const declared = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(declared));
  const path = `/v1/declarations/${declared.declaration_id}/print`;

  const stranger = await fetch(city.url + path);
  assert.equal(stranger.status, 401);

  for (const colorScheme of ["light", "dark"]) {
    await visit(path, { colorScheme, extraHTTPHeaders: { authorization } }, async (page) => {
      const text = await page.locator("body").innerText();
      for (const word of ["绿", "天河", "有效至", "照片", declared.outcome.expires_at.slice(0, 10)]) assert.ok(text.includes(word), word);
      assert.ok(!text.includes("三丰") && !text.includes("E12345678"));
      const { width, height } = await page.locator(".code svg").boundingBox();
      assert.ok(width > 300 && Math.abs(width - height) < 1);
      const lastDay = page.locator(".last-day");
      const lines = await lastDay.evaluate((day) => day.getClientRects().length);
      assert.equal(lines, 1, "the last day is on one line");
      const [card, day] = await Promise.all([page.locator(".card"), lastDay].map((part) => part.boundingBox()));
      assert.ok(day.x + day.width <= card.x + card.width, "the last day is inside the card");
      await assertAccessible(page);
      await picture(page, `paper-${colorScheme}`);
      const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
      assert.equal(pdf.match(/\/Type \/Page\b(?!s)/g)?.length, 1);
    });
  }
});
