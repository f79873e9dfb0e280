// Shows one slice. Tells HU and class under the pointer; arrow keys and, once it is clicked, the wheel ask for others.
// data: length of the head (uint32), head (JSON), PNG, HU (int16) or grey (uint16) row by row, then class and lung as
// runs: their starts (uint32) and codes (uint8).
export default function ({ data, parentElement, setTriggerValue }) {
  const start = 4 + new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, start)))
  const values = start + head.png, runs = values + 2 * head.rows * head.columns, kinds = runs + 4 * head.runs
  const figure = parentElement.querySelector("figure"), image = figure.querySelector("img")
  const state = (figure.infnet ??= {})

  const old = image.src
  image.src = URL.createObjectURL(new Blob([data.subarray(start, values)], { type: "image/png" }))
  if (old.startsWith("blob:")) image.onload = () => URL.revokeObjectURL(old)
  image.alt = head.alt
  figure.setAttribute("aria-label", head.alt)
  image.style.aspectRatio = head.width / head.height
  image.style.width = `min(100%, calc(${head.tall} * ${head.width / head.height}))`

  const value = new (head.signed ? Int16Array : Uint16Array)(data.slice(values, runs).buffer)
  const code = new Uint8Array(head.rows * head.columns)
  new Uint32Array(data.slice(runs, kinds).buffer).forEach((from, at) => code.fill(data[kinds + at], from))
  const readout = figure.querySelector("output")
  const tell = () => {
    const box = image.getBoundingClientRect()
    const [x, y] = [(state.x - box.left) / box.width, (state.y - box.top) / box.height]
    if (!head.rows || !(x >= 0 && x < 1 && y >= 0 && y < 1)) return (readout.textContent = "")
    const at = Math.floor(y * head.rows) * head.columns + Math.floor(x * head.columns)
    readout.textContent = [`${value[at]} ${head.unit}`, head.names[code[at]]].filter(Boolean).join(" · ")
  }
  figure.onpointermove = (event) => { [state.x, state.y] = [event.clientX, event.clientY]; tell() }
  figure.onpointerleave = () => { state.x = NaN; tell() }
  tell()

  // One request at a time: keys that are held down join into the next one.
  const ask = () => {
    clearTimeout(state.timer)
    state.asked = state.wanted
    state.timer = setTimeout(() => { state.asked = null }, 2000)
    setTriggerValue("slice", state.wanted)
  }
  const step = (by) => {
    state.wanted = Math.max(1, Math.min(head.count, (state.wanted ?? head.number) + by))
    if (state.asked == null && state.wanted !== head.number) ask()
  }
  if (state.asked != null) {
    state.asked = null
    if (state.wanted !== head.number) ask()
  }
  if (state.asked == null) state.wanted = null
  const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }
  figure.onkeydown = (event) => {
    if (!(event.key in steps) || head.count < 2) return
    event.preventDefault()
    step(steps[event.key])
  }
  figure.onwheel = (event) => {
    if (head.count < 2 || document.activeElement !== figure) return
    event.preventDefault()
    step(event.deltaY < 0 ? 1 : -1)
  }
}
