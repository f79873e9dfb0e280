// Lesion load along the slices, one bar a slice; a click asks for that slice.
// data: loads (ggo and consolidation of each slice), number of the slice shown, colours, alt.
const SVG = "http://www.w3.org/2000/svg"

export default function ({ data, parentElement, setTriggerValue }) {
  const chart = parentElement.querySelector("svg"), count = data.loads.length
  const highest = Math.max(1, ...data.loads.map(([ggo, dense]) => ggo + dense))
  chart.setAttribute("viewBox", `0 0 ${count} 100`)
  chart.setAttribute("aria-label", data.alt)
  const bar = (x, y, width, height, fill, kind) => {
    const rect = document.createElementNS(SVG, "rect")
    for (const [name, value] of Object.entries({ x, y, width, height, fill, class: kind }))
      rect.setAttribute(name, value)
    return rect
  }
  chart.replaceChildren(
    bar(data.number - 1, 0, 1, 100, "currentColor", "now"),
    ...data.loads.flatMap(([ggo, dense], at) => {
      const [low, high] = [(96 * dense) / highest, (96 * ggo) / highest]
      const [left, wide] = [at + 0.06, 0.88]
      return [bar(left, 100 - low, wide, low, data.colours[1], ""), bar(left, 100 - low - high, wide, high, data.colours[0], "")]
    }),
  )
  chart.onclick = (event) => {
    const box = chart.getBoundingClientRect()
    setTriggerValue("slice", Math.min(count, 1 + Math.floor(((event.clientX - box.left) / box.width) * count)))
  }
}
