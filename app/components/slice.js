// Shows one slice. Tells HU and class under the pointer; while it is over the slice, arrow keys and wheel ask for others.
// data: length of the head (uint32), head (JSON), PNG, HU (int16) or grey (uint16) row by row, then class and lung as
// runs: their starts (uint32) and codes (uint8); last the PNGs of its neighbours, which appear without a question.
const STEPS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }
const KEPT = 48 // pictures of one view

export default function ({ data, parentElement, setTriggerValue }) {
  const start = 4 + new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, start)))
  const values = start + head.png, runs = values + 2 * head.rows * head.columns, kinds = runs + 4 * head.runs
  const figure = parentElement.querySelector("figure"), image = figure.querySelector("img")
  const state = (figure.infnet ??= { pictures: new Map() })
  const { pictures } = state

  // Pictures by number, as long as they are of the same view.
  const forget = (number) => {
    URL.revokeObjectURL(pictures.get(number)?.url)
    pictures.delete(number)
  }
  const keep = (number, alt, png) => {
    forget(number)
    pictures.set(number, { alt, url: URL.createObjectURL(new Blob([png], { type: "image/png" })) })
  }
  if (!head.view || state.view !== head.view) [...pictures.keys()].forEach(forget)
  state.view = head.view
  keep(head.number, head.alt, data.subarray(start, values))
  let from = kinds + head.runs
  for (const { number, alt, size } of head.ahead) keep(number, alt, data.subarray(from, (from += size)))
  for (const number of [...pictures.keys()].slice(0, -KEPT)) forget(number)

  image.style.aspectRatio = head.width / head.height
  image.style.width = `min(100%, calc(${head.tall} * ${head.width / head.height}))`
  const value = new (head.signed ? Int16Array : Uint16Array)(data.slice(values, runs).buffer)
  const code = new Uint8Array(head.rows * head.columns)
  new Uint32Array(data.slice(runs, kinds).buffer).forEach((from, at) => code.fill(data[kinds + at], from))
  const readout = figure.querySelector("output")
  const tell = () => {
    const box = image.getBoundingClientRect()
    const [x, y] = [(state.x - box.left) / box.width, (state.y - box.top) / box.height]
    if (state.shown !== head.number || !head.rows || !(x >= 0 && x < 1 && y >= 0 && y < 1)) return (readout.textContent = "")
    const at = Math.floor(y * head.rows) * head.columns + Math.floor(x * head.columns)
    readout.textContent = [`${value[at]} ${head.unit}`, head.names[code[at]]].filter(Boolean).join(" · ")
  }
  const show = (number) => {
    const { alt, url } = pictures.get(number)
    state.shown = number
    image.src = url
    image.alt = alt
    figure.setAttribute("aria-label", alt)
    tell()
  }

  // One request at a time: keys that are held down join into the next one.
  const ask = () => {
    clearTimeout(state.timer)
    state.asked = state.wanted
    state.timer = setTimeout(() => { state.asked = null }, 2000)
    setTriggerValue("slice", state.wanted)
  }
  const step = (by) => {
    state.wanted = Math.max(1, Math.min(head.count, (state.wanted ?? head.number) + by))
    if (pictures.has(state.wanted)) show(state.wanted)
    if (state.asked == null && state.wanted !== head.number) ask()
  }
  if (state.asked != null) {
    state.asked = null
    if (state.wanted !== head.number) ask()
  }
  if (state.asked == null) state.wanted = null
  show(pictures.has(state.wanted) ? state.wanted : head.number)

  figure.onpointermove = (event) => { [state.x, state.y] = [event.clientX, event.clientY]; tell() }
  figure.onpointerleave = () => { state.x = NaN; tell() }
  figure.onwheel = (event) => {
    if (head.count < 2 || event.ctrlKey) return
    event.preventDefault()
    step(event.deltaY < 0 ? 1 : -1)
  }
  document.removeEventListener("keydown", state.key)
  state.key = (event) => {
    if (!figure.isConnected) return document.removeEventListener("keydown", state.key)
    const typing = event.target.closest("input, textarea, [role=slider], [contenteditable=true]")
    const here = figure.contains(event.target) || (figure.matches(":hover") && !typing)
    if (!here || event.defaultPrevented || !(event.key in STEPS) || head.count < 2) return
    event.preventDefault()
    step(STEPS[event.key])
  }
  document.addEventListener("keydown", state.key)
}
