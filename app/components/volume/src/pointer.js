// Mouse, touch and keys. Left drag does what the chosen tool does; right drag zooms, middle drag (or Shift) pans, the
// wheel changes the slice, with Ctrl it zooms. Keys work while the pointer is over the viewer or it has the focus.
import { Region, Ruler } from "./measures.js"

const WHEEL = 40 // a finer wheel's steps are summed up to one slice
const STEPS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }
export const HELP = [
  ["wheel, arrows, Page up and down, Home, End", "slice"],
  ["left drag", "window: to the right wider, down darker; or the tool that is chosen"],
  ["right drag, Ctrl + wheel", "zoom"],
  ["middle drag, Shift + left drag", "move"],
  ["click", "crosshair there"],
  ["double click", "one plane large, all planes again"],
  ["N, P", "next and previous lesion, biggest first"],
  ["M", "slice with the most lesion"],
  ["H held down", "no overlay"],
  ["F", "fill or outline"],
  ["Space", "play or stop"],
  ["Delete", "remove rulers and regions"],
  ["B, E, O, G", "Correct: brush, eraser, outline, grow; Esc: none of them"],
  ["[, ]", "Correct: smaller and larger brush"],
  ["A, X, C", "Correct: accept, reject, re-class the lesion under the pointer, or else the chosen one"],
  ["Ctrl + Z, Ctrl + Shift + Z", "Correct: undo, redo"],
  ["0", "reset window, zoom and place"],
]

export function pointerOn(viewer, view) {
  const { canvas } = view
  let drag = null, turned = 0
  canvas.oncontextmenu = (event) => event.preventDefault()
  canvas.onwheel = (event) => {
    event.preventDefault()
    if (event.ctrlKey) {
      view.zoomBy(Math.exp(-event.deltaY / 300), event.clientX, event.clientY)
      return viewer.draw()
    }
    turned += event.deltaMode ? event.deltaY * WHEEL : event.deltaY
    const steps = Math.abs(event.deltaY) >= WHEEL ? Math.sign(event.deltaY) : Math.trunc(turned / WHEEL)
    if (!steps) return
    turned = 0
    viewer.step(view.geometry.plane, -steps)
  }
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId)
    const held = { 1: "move", 2: "zoom" }[event.button]
    const tool = held ?? (event.shiftKey ? "move" : event.ctrlKey ? "zoom" : viewer.tool)
    drag = { tool, x: event.clientX, y: event.clientY, moved: false }
    const kind = { ruler: Ruler, region: Region }[tool]
    const pixel = view.pixelAt(event.clientX, event.clientY)
    drag.stroke = viewer.correct.press(tool, view, pixel)
    if (kind && view.inside(pixel)) {
      drag.measure = new kind(view, viewer.at[view.geometry.plane], pixel)
      viewer.measures.push(drag.measure)
    }
    event.preventDefault()
    viewer.root.focus({ preventScroll: true })
  }
  canvas.onpointermove = (event) => {
    viewer.pointed = { view, x: event.clientX, y: event.clientY }
    if (drag?.stroke) viewer.correct.move(view, view.pixelAt(event.clientX, event.clientY))
    else if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y]
      drag.moved ||= Math.hypot(dx, dy) > 3
      if (drag.moved) {
        Object.assign(drag, { x: event.clientX, y: event.clientY })
        dragged(viewer, view, drag, dx, dy, event)
      }
    }
    viewer.tell()
    if (viewer.correct.tool) viewer.draw() // the brush
  }
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (drag?.stroke) viewer.correct.release()
    if (drag?.measure?.empty) viewer.measures.splice(viewer.measures.indexOf(drag.measure), 1)
    const pixel = view.pixelAt(event.clientX, event.clientY)
    if (drag && !drag.stroke && !drag.moved && event.button === 0 && view.inside(pixel)) {
      viewer.goTo(view.geometry.voxel(viewer.at[view.geometry.plane], ...pixel).map(Math.round), view.geometry.plane)
    }
    drag = null
    viewer.draw()
  }
  canvas.onpointerleave = () => { viewer.pointed = null; viewer.draw() }
  canvas.ondblclick = () => viewer.setLayout(viewer.layout === "All" ? view.geometry.plane : "All")
}

function dragged(viewer, view, drag, dx, dy, event) {
  const ratio = view.canvas.width / (view.canvas.clientWidth || 1)
  if (drag.measure) drag.measure.to = view.pixelAt(event.clientX, event.clientY)
  else if (drag.tool === "zoom") view.zoomBy(Math.exp(-dy / 150), event.clientX, event.clientY)
  else if (drag.tool === "move") view.pan = [view.pan[0] + dx * ratio, view.pan[1] + dy * ratio]
  else {
    const [low, high] = viewer.window, step = viewer.volume.head.range / 1000
    const width = Math.max(4 * step, high - low + dx * 2 * step), centre = (low + high) / 2 + dy * 2 * step
    viewer.setWindow([centre - width / 2, centre + width / 2])
  }
  viewer.draw()
}

/** What a key does; true where it does something. `up`: it is let go. */
export function key(viewer, event, up) {
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key
  if (name === "h") {
    viewer.hidden = !up
    viewer.draw()
    return true
  }
  if (!up && viewer.correct.key(name, event)) return true
  if (up || event.ctrlKey || event.metaKey || event.altKey) return false
  const plane = viewer.active
  if (name in STEPS) viewer.step(plane, STEPS[name])
  else if (name === "Home") viewer.go(plane, 0)
  else if (name === "End") viewer.go(plane, Infinity)
  else if (name === "n") viewer.lesion(1)
  else if (name === "p") viewer.lesion(-1)
  else if (name === "m") viewer.worst()
  else if (name === "f") viewer.setStyle(viewer.style === "fill" ? "outline" : "fill")
  else if (name === " ") viewer.play()
  else if (name === "0") viewer.reset()
  else if (name === "Delete" || name === "Backspace") viewer.clear()
  else return false
  return true
}
