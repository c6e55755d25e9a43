// The page: a file comes in, is asked about, and what the server says of it is shown. Wiring only.

import { disaggregate, info, table } from "./api.js";
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
import { keepZone, settings as settingsOf } from "./settings.js";
import { showUses } from "./uses.js";
import { around, localDay } from "./view.js";

/** @typedef {import("./home.js").Home} Home */
/** @typedef {{ get: import("./meter.js").Getter, name: string, options: import("./api.js").Options }} Request */

const ROOM = 1800; // s, shown on either side of a use at least

/** @type {Request | null} */
let wanted = null; // what was asked for last
/** @type {(Request & { home: Home }) | null} */
let shown = null;
let asked = new AbortController();

const settings = settingsOf((zoneChanged) => {
  if (zoneChanged && wanted) void analyse({ ...wanted, options: { ...wanted.options, time_zone: settings.zone } });
  else if (shown) show(shown.home);
});
const explorer = new Explorer();

listenForFiles((get, name) => void analyse({ get, name, options: { time_zone: settings.zone, ...reading() } }));
find("save-power", HTMLButtonElement).onclick = () => void savePower();
find("save-days", HTMLButtonElement).onclick = () => shown && save(daysCsv(shown.home), fileName(shown.home, "days"));
find("save-uses", HTMLButtonElement).onclick = () => shown && save(usesCsv(shown.home), fileName(shown.home, "uses"));

/** @param {Request} request */
async function analyse(request) {
  wanted = request;
  const { get, name, options } = request;
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const first = shown?.name !== name;
  clearProblem();
  say("", false, "saving");
  say(`Reading ${name}…`, true);
  const results = find("results", HTMLElement);
  results.classList.add("stale");
  try {
    const answer = await disaggregate(await get(), options, signal);
    if (signal.aborted) return;
    const home = homeOf(name, answer);
    shown = { ...request, home };
    keepZone(settings, home.zone);
    results.hidden = false;
    results.classList.remove("stale");
    document.title = `${name}: what used the electricity?`;
    document.body.classList.add("with-results");
    show(home);
    const [told] = await Promise.all([info(), explorer.show(home)]);
    showLimits(home, told);
    say(`${name} is read.`);
    if (first) find("home", HTMLElement).focus();
  } catch (error) {
    if (signal.aborted) return;
    results.classList.remove("stale");
    wanted = shown ?? request;
    if (shown) keepZone(settings, shown.home.zone);
    say("");
    const still = shown ? ` What is below is of ${shown.name}, as before.` : "";
    showProblem(error, () => void analyse(request), `${name} was not read.${still}`);
  }
}

/** @param {Home} home */
function show(home) {
  showAppliances(home, settings);
  showDays(home, settings, ({ date }) => {
    const day = localDay(date, home.zone);
    explorer.look({ from: Math.max(day.from, home.span.from), to: Math.min(day.to, home.span.to) });
  });
  showUses(home, ({ use }) => {
    const span = { from: use.start, to: use.end };
    explorer.look(around(span, ROOM), span);
  });
  showQuality(home.quality);
  find("bundle", HTMLElement).textContent = `Model: ${title(home.bundle.name)}, version ${home.bundle.version} (SHA-256 ${home.bundle.sha256.slice(0, 12)})`;
}

async function savePower() {
  if (!shown) return;
  const { get, options, home } = shown;
  const { signal } = asked;
  clearProblem();
  say("Making the table…", false, "saving");
  try {
    save(await table(await get(), options, signal), fileName(home, "power"));
    say("The table is saved.", false, "saving");
  } catch (error) {
    say("", false, "saving");
    if (signal.aborted) return;
    showProblem(error, () => void savePower());
  }
}
