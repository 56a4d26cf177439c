for (const data of document.querySelectorAll("script.figure-data")) {
  const figure = JSON.parse(data.textContent);
  const place = data.previousElementSibling;
  Plotly.newPlot(place, {
    data: figure.data, layout: figure.layout, frames: figure.frames,
    config: { responsive: true, displaylogo: false },
  });
}
