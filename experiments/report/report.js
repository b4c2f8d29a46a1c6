const reverse = order => order === "ascending" ? "descending" : "ascending";
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => {
      const now = header.getAttribute("aria-sort") ?? reverse(header.dataset.first);
      const sign = now === "ascending" ? -1 : 1;
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
