// Redraws the first page every two seconds from the same figures that the server drew it with. Without scripts the page stands as it was
// served.
const every_ms = 2000;
const hours = 24;

async function refresh() {
  try {
    const answer = await fetch("/v1/overview", { headers: { accept: "application/json" } });
    if (answer.ok) draw(await answer.json());
  } catch {
    // The server is away; the time shown tells how old the figures are.
  }
  setTimeout(refresh, every_ms);
}

function draw(overview) {
  const time = document.querySelector("#freshness time");
  time.dateTime = overview.as_of;
  time.textContent = overview.as_of.slice(11, 19);
  document.querySelector("#lag").textContent = overview.lag_records;

  const figures = [
    overview.declared, overview.entries, overview.status.green, overview.status.amber, overview.status.red, overview.not_admitted,
  ];
  document.querySelectorAll("#tiles .tile b").forEach((tile, index) => {
    const sign = tile.textContent.trim().match(/^[^\d]*/)[0];
    tile.textContent = `${sign}${figures[index]}`;
  });

  const highest = Math.max(1, ...overview.districts.flatMap((district) => district.entries_by_hour));
  const rows = document.querySelectorAll("#districts tbody tr");
  overview.districts.forEach((district, index) => {
    const row = rows[index];
    if (!row) return;
    const bars = row.querySelectorAll("rect");
    for (let hour = 0; hour < hours; hour += 1) {
      const height = (40 * district.entries_by_hour[hour]) / highest;
      bars[hour]?.setAttribute("y", 40 - height);
      bars[hour]?.setAttribute("height", height);
    }
    const [entries, notAdmitted, declared] = row.querySelectorAll("td.figure");
    entries.textContent = district.entries;
    notAdmitted.textContent = district.not_admitted;
    declared.textContent = district.declared;
  });
}

setTimeout(refresh, every_ms);
