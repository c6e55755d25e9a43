// What is on the page as files: energy by day and uses, made here; power by sample comes from the server.

/** @typedef {import("./home.js").Home} Home */

/** Energy by day, kWh. @param {Home} home */
export function daysCsv(home) {
  const rows = home.days.map((day) => [
    day.date, day.energy.toFixed(4), Math.round(day.measured), ...home.parts.flatMap((part) => [
      (part.days.get(day.date) ?? 0).toFixed(4),
      ...(part.range ? (part.dayRanges.get(day.date) ?? []).map((end) => end.toFixed(4)) : []),
    ]),
  ]);
  const names = home.parts.flatMap(({ name, range }) => (
    ["", ...(range ? ["_low", "_high"] : [])].map((end) => `${name.replaceAll(" ", "_")}${end}_kwh`)
  ));
  return csv([["day", "mains_kwh", "measured_seconds", ...names], ...rows]);
}

/** Every use: times in UTC, energy in kWh, peak in W. @param {Home} home */
export function usesCsv(home) {
  const rows = home.parts.flatMap((part) => part.uses.map((use) => [
    part.name, utc(use.start), utc(use.end), use.energy_kwh.toFixed(4), Math.round(use.peak),
  ]));
  rows.sort((a, b) => String(a[1]).localeCompare(String(b[1])));
  return csv([["appliance", "start", "end", "energy_kwh", "peak_w"], ...rows]);
}

/** Hand a file to the browser. @param {Blob} content @param {string} name */
export function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * The name of a file that belongs to a home.
 * @param {Home} home
 * @param {string} what
 */
export function fileName(home, what) {
  const stem = home.name.replace(/(\.csv|\.txt|\.tsv)?(\.gz)?$/i, "").replace(/[^\p{L}\p{N}_-]+/gu, "_");
  return `${stem}_${what}.csv`;
}

/** @param {number} time */
function utc(time) {
  return new Date(time * 1000).toISOString().replace(".000", "");
}

/** @param {(string | number)[][]} rows */
function csv(rows) {
  const lines = rows.map((row) => row.map((cell) => (/[",\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : cell)).join(","));
  return new Blob([lines.join("\n"), "\n"], { type: "text/csv" });
}
