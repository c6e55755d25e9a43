// The page: a file comes in, is asked about, and what the server says of it is shown. Wiring only.

import { Problem, disaggregate, info, table } from "./api.js";
import { showAppliances } from "./appliances.js";
import { showDays } from "./days.js";
import { find } from "./elements.js";
import { Explorer } from "./explorer.js";
import { daysCsv, fileName, save, usesCsv } from "./exports.js";
import { title } from "./format.js";
import { home as homeOf } from "./home.js";
import { showLimits } from "./limits.js";
import { listenForFiles, reading, say } from "./meter.js";
import { clearProblem, showProblem } from "./problems.js";
import { showQuality } from "./quality.js";
import { settings as settingsOf } from "./settings.js";
import { showUses } from "./uses.js";
import { around } from "./view.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {() => Promise<import("./api.js").MeterFile>} Getter */

const ROOM = 1800; // s, shown on either side of a use at least

/** @type {{ get: Getter, name: string } | null} */
let source = null;
/** @type {Home | null} */
let home = null;
let asked = new AbortController();

const settings = settingsOf((_, zoneChanged) => {
  if (zoneChanged && source) void analyse();
  else if (home) show(home);
});
const explorer = new Explorer();

listenForFiles(
  (get, name) => {
    source = { get, name };
    void analyse();
  },
  () => void analyse(),
);
find("save-power", HTMLButtonElement).addEventListener("click", () => void savePower());
find("save-days", HTMLButtonElement).addEventListener("click", () => home && save(daysCsv(home), fileName(home, "days")));
find("save-uses", HTMLButtonElement).addEventListener("click", () => home && save(usesCsv(home), fileName(home, "uses")));

async function analyse() {
  if (!source) return;
  const { get, name } = source;
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const first = home === null || home.name !== name;
  clearProblem();
  find("again", HTMLButtonElement).hidden = false;
  say(`Reading ${name}…`, true);
  try {
    const answer = await disaggregate(await get(), options(), signal);
    if (signal.aborted) return;
    home = homeOf(name, answer);
    find("results", HTMLElement).hidden = false;
    document.body.classList.add("with-results");
    show(home);
    await Promise.all([explorer.show(home, settings.zone), limits(home)]);
    say(`${name} is read.`);
    if (first) find("home", HTMLElement).focus();
  } catch (error) {
    if (signal.aborted) return;
    say("");
    if (error instanceof Problem && error.status === 422) find("reading", HTMLDetailsElement).open = true;
    showProblem(error, () => void analyse());
  }
}

/** @returns {import("./api.js").Options} */
function options() {
  return { time_zone: settings.zone, ...reading() };
}

/** @param {Home} shown */
function show(shown) {
  showAppliances(shown, settings);
  showDays(shown, settings, (day) => explorer.look(daySpan(shown, day.date)));
  showUses(shown, settings.zone, ({ use }) => {
    const span = { from: use.start, to: use.end };
    explorer.look(around(span, ROOM), span);
  });
  showQuality(shown.quality);
  find("bundle", HTMLElement).textContent = `Model: ${title(shown.bundle.name)}, version ${shown.bundle.version} (SHA-256 ${shown.bundle.sha256.slice(0, 12)})`;
}

/** @param {Home} shown */
async function limits(shown) {
  showLimits(shown, await info());
}

async function savePower() {
  if (!source || !home) return;
  say("Making the table…", true);
  try {
    save(await table(await source.get(), options(), asked.signal), fileName(home, "power"));
    say("The table is saved.");
  } catch (error) {
    say("");
    showProblem(error instanceof Error ? error : new Problem(String(error)), () => void savePower());
  }
}

/**
 * A local day's span: midnights differ from UTC's, and a day may have 23 or 25 hours.
 * @param {Home} shown
 * @param {string} date ISO 8601
 */
function daySpan(shown, date) {
  const start = midnight(date);
  const next = new Date(Date.parse(`${date}T12:00Z`) + 86400e3).toISOString().slice(0, 10);
  return { from: Math.max(start, shown.span.from), to: Math.min(midnight(next), shown.span.to) };
}

/** @param {string} date ISO 8601 @returns {number} s since 1970 */
function midnight(date) {
  const utc = Date.parse(`${date}T00:00Z`);
  const offset = (/** @type {number} */ at) => {
    const parts = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, value]));
    return Date.UTC(Number(parts.year), Number(parts.month) - 1, Number(parts.day), Number(parts.hour), Number(parts.minute)) - at;
  };
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: settings.zone, year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", hourCycle: "h23",
  });
  return (utc - offset(utc - offset(utc))) / 1000;
}
