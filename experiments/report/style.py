"""How the report looks, on a screen and on paper, and how its tables sort."""

STYLE = """
:root {
  --page: #fdfdfc; --text: #1d1f21; --soft: #5c6166; --line: #dcdcd8;
  --panel: #f3f3f0; --accent: #21588a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #17191b; --text: #e4e4e1; --soft: #a0a5aa; --line: #35393d;
    --panel: #202326; --accent: #8bbfec;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; -webkit-text-size-adjust: 100%;
}
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
p, figcaption { max-width: 44rem; text-wrap: pretty; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 3rem 0 1rem; }
.kicker { margin: 0 0 0.25rem; color: var(--soft); }
dl, dt, dd { margin: 0; padding: 0; }
.headline {
  display: grid; gap: 1.25rem; margin: 0 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr));
}
.headline > div { border-top: 2px solid var(--accent); padding-top: 0.5rem; }
.headline dt, .headline dd {
  color: var(--soft); font-size: 0.85rem; line-height: 1.35;
}
.headline .number {
  display: block; color: var(--text); font-size: 1.5rem; line-height: 1.4;
}
.scroll { overflow-x: auto; }
.tall { max-height: 34rem; overflow-y: auto; border: 1px solid var(--line); }
table { border-collapse: collapse; font-size: 0.875rem; }
caption { text-align: left; color: var(--soft); padding-bottom: 0.4rem; }
th, td { padding: 0.3rem 0.75rem; border-bottom: 1px solid var(--line); }
thead th { vertical-align: top; font-weight: 600; }
sub { line-height: 0; }
.numbers { width: 100%; font-variant-numeric: tabular-nums; }
.numbers td, .numbers th { text-align: right; white-space: nowrap; }
.numbers tbody th { font-weight: 400; }
table:not(.sortable) tbody th { text-align: left; font-weight: 400; }
.unit { color: var(--soft); font-weight: 400; }
.sortable thead th {
  position: sticky; top: 0; z-index: 1; padding: 0; background: var(--panel);
}
.sortable tbody tr:hover { background: var(--panel); }
.sortable button {
  display: grid; grid-template-columns: 1fr auto; grid-template-rows: auto 1fr;
  column-gap: 0.3rem; width: 100%; padding: 0.5rem 0.75rem; border: 0;
  background: none; color: inherit; font: inherit; line-height: 1.3;
  text-align: right; cursor: pointer;
}
.sortable button .unit {
  grid-area: 2 / 1 / 3 / 3; font-size: 0.8em; white-space: normal;
}
.sortable button::after {
  grid-area: 1 / 2; content: "↕"; color: var(--soft); opacity: 0.5;
}
.sortable [aria-sort] button::after { color: var(--accent); opacity: 1; }
.sortable [aria-sort="ascending"] button::after { content: "↑"; }
.sortable [aria-sort="descending"] button::after { content: "↓"; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.meanings { margin-top: 0.9rem; font-size: 0.85rem; color: var(--soft); }
.meanings > div { display: grid; grid-template-columns: 7rem 1fr; }
.meanings dt { color: var(--text); }
.settings td { overflow-wrap: anywhere; }
figure { margin: 0 0 2.75rem; }
img {
  display: block; width: 100%; min-width: 38rem; height: auto; padding: 0.75rem;
  background: #fff;
  border: 1px solid var(--line); border-radius: 4px;
}
figcaption { margin-top: 0.7rem; font-size: 0.9rem; color: var(--soft); }
figcaption strong { color: var(--text); }
.file { white-space: nowrap; font-family: ui-monospace, monospace; font-size: 0.85em; }
@media print {
  :root {
    --page: #fff; --text: #000; --soft: #444; --line: #bbb; --panel: #fff;
    --accent: #000;
  }
  main { max-width: none; padding: 0; }
  body { font-size: 10pt; }
  .scroll, .tall { overflow: visible; max-height: none; border: 0; }
  .sortable thead th { position: static; }
  .hint { display: none; }
  .sortable button::after { content: none !important; }
  figure, tr, .headline { break-inside: avoid; }
  h2 { break-after: avoid; }
  img { border: 0; padding: 0; min-width: 0; }
}
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      headers.forEach(other => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const value = row => Number(row.cells[column].dataset.value);
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        // Undefined values come last in either order.
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return sign * ((x > y) - (x < y));
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}
"""
