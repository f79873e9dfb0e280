// Corrections by hand: brush, eraser, outline and growing, one lesion at a time, undo and redo. They change the marks that
// are shown, so that picture and numbers follow at once; `edits.js` takes them to Python.
import { classAt, enclosed, grown, lesionAt, swept } from "./shapes.js"
import { dense } from "./store.js"

export const TOOLS = { b: "brush", e: "erase", o: "outline", g: "grow" }
export const RIGHT_LUNG = 3, LEFT_LUNG = 4 // what is painted: 1 ground glass, 2 consolidation, or one of these
const [SMALLEST, LARGEST] = [0.5, 40] // radius
const LESION = [32, 31, 31 | 32] // bits 0 to 5 of a mark by a person: none, ground glass, consolidation

export class Correct {
  constructor(viewer) {
    this.viewer = viewer
    this.open = this.ball = false
    this.target = 1
    this.radius = 5
    this.limits = { low: -700, high: 100, within: 30, lung: true }
    this.notice = ""
    this.forget()
  }

  /** The marks come anew: nothing can be undone any more. */
  forget() {
    this.done = []
    this.undone = []
    this.stroke = null
  }

  get possible() {
    return this.viewer.volume.complete && !this.viewer.head.growing
  }

  get tool() {
    return this.open && this.possible && Object.values(TOOLS).includes(this.viewer.tool) ? this.viewer.tool : null
  }

  toggle() {
    this.open = !this.open
    if (!this.open && Object.values(TOOLS).includes(this.viewer.tool)) this.viewer.tool = "window"
    this.viewer.set({})
  }

  set(change) {
    Object.assign(this, change)
    this.radius = Math.max(SMALLEST, Math.min(LARGEST, this.radius))
    this.viewer.set({})
  }

  /** A change of voxels begins; `mark` gives the new mark for an old one. */
  _begin(mark) {
    this.stroke = { mark, voxels: [], before: [], after: [], seen: new Set(), reading: this.viewer.head.reading }
  }

  _add(voxels) {
    const { stroke } = this, { volume } = this.viewer
    for (const voxel of voxels) {
      if (stroke.seen.has(voxel)) continue
      stroke.seen.add(voxel)
      const before = volume.marks[voxel], after = stroke.mark(before)
      if (before === after) continue
      stroke.voxels.push(voxel)
      stroke.before.push(before)
      stroke.after.push(after)
      volume.put(voxel, after)
    }
    volume.version++
    this.viewer.draw()
  }

  _end() {
    const { voxels, before, after, reading } = this.stroke
    this.stroke = null
    if (voxels.length) {
      const change = { voxels: Uint32Array.from(voxels), before: Uint8Array.from(before), after: Uint8Array.from(after), reading }
      this.done.push(change)
      this.undone = []
      this.notice = ""
      this.viewer.edits.queue(change)
    }
    this.viewer.set({})
  }

  /** The mark of a voxel that is given what is painted, or is freed of it. */
  _painter(free) {
    const { target } = this
    if (target < RIGHT_LUNG) return (mark) => (mark & 0xc0) | LESION[free ? 0 : target]
    const lung = free ? 0 : target - RIGHT_LUNG + 1
    return (mark) => (mark & 0x3f) | (lung << 6)
  }

  _voxel(view, pixel) {
    return view.geometry.voxel(this.viewer.at[view.geometry.plane], ...pixel.map(Math.round))
  }

  /** The pointer goes down; true where a correction begins. */
  press(tool, view, pixel) {
    if (this.tool !== tool || !view.inside(pixel)) return false
    this._begin(this._painter(tool === "erase"))
    this.last = this._voxel(view, pixel)
    if (tool === "outline") this.stroke.outline = { view, pixels: [pixel] }
    else if (tool === "grow") this._add(grown(this.viewer.volume, this.last, this.limits))
    else this._sweep(view, this.last)
    return true
  }

  move(view, pixel) {
    const { stroke } = this
    if (!stroke) return
    if (stroke.outline) stroke.outline.pixels.push(pixel)
    else if (this.tool !== "grow") this._sweep(view, this._voxel(view, pixel))
    this.viewer.draw()
  }

  _sweep(view, to) {
    const plane = this.ball && this.viewer.head.volumetric ? null : view.geometry.plane
    if (this.last[plane] !== to[plane]) this.last = to // the wheel was turned meanwhile
    this._add(swept(this.viewer.volume, this.last, to, this.radius, plane))
    this.last = to
  }

  release() {
    const { stroke, viewer } = this
    if (!stroke) return
    if (stroke.outline) {
      const { view, pixels } = stroke.outline
      this._add(enclosed(viewer.volume, view.geometry, viewer.at[view.geometry.plane], pixels))
    }
    this._end()
  }

  /** Accept ("a"), reject ("x") or re-class ("c") the lesion under the pointer, else the chosen one of the list. */
  lesion(what) {
    const { viewer } = this, { volume, threshold } = viewer, seeds = []
    if (!this.possible || this.stroke) return
    if (viewer.pointed) {
      const { view, x, y } = viewer.pointed, pixel = view.pixelAt(x, y)
      if (view.inside(pixel)) seeds.push(this._voxel(view, pixel))
    }
    if (viewer.head.lesions[viewer.chosen]) seeds.push(viewer.head.lesions[viewer.chosen].seed)
    const found = seeds.filter((seed) => volume.holds(seed)).map((seed) => lesionAt(volume, seed, threshold)).find((voxels) => voxels.length)
    if (!found) return
    const kind = what === "x" ? () => 0 : what === "a" ? (mark) => 1 + dense(mark) : this._other(found)
    this._begin((mark) => (mark & 0xc0) | LESION[kind(mark)])
    this._add(found)
    this._end()
  }

  /** The class that most of a lesion is not. */
  _other(voxels) {
    const { volume, threshold } = this.viewer
    const solid = voxels.filter((at) => classAt(volume, at, threshold) === 2).length
    const other = 2 * solid > voxels.length ? 1 : 2
    return () => other
  }

  undo() {
    this._turn(this.done, this.undone, true)
  }

  redo() {
    this._turn(this.undone, this.done, false)
  }

  _turn(from, to, back) {
    const { viewer } = this, { volume } = viewer
    if (this.stroke || !this.possible || !from.length) return
    const change = from.pop(), marks = back ? change.before : change.after
    to.push(change)
    change.voxels.forEach((voxel, at) => volume.put(voxel, marks[at]))
    // Read at other thresholds since: what the networks say there has to be asked for.
    if (change.reading !== viewer.head.reading) volume.ask(new Set(Array.from(change.voxels, (at) => Math.floor(at / volume.area))))
    volume.version++
    viewer.edits.queue({ voxels: change.voxels, before: back ? change.after : change.before, after: marks })
    viewer.set({})
  }

  /** What a key does while the bar is open; true where it does something. */
  key(name, event) {
    if (!this.open) return false
    if (event.ctrlKey || event.metaKey) {
      if (name === "z") event.shiftKey ? this.redo() : this.undo()
      else if (name === "y") this.redo()
      else return false
    } else if (name in TOOLS) this.viewer.set({ tool: TOOLS[name] })
    else if (["a", "x", "c"].includes(name)) this.lesion(name)
    else if (name === "[" || name === "]") this.set({ radius: this.radius * (name === "]" ? 1.25 : 0.8) })
    else if (name === "Escape" && this.tool) this.viewer.set({ tool: "window" })
    else return false
    return true
  }

  /** What is drawn over the slice: the brush under the pointer, or the outline so far. For `View.draw`. */
  draw(context, view, ratio) {
    const { sx, sy, x, y } = view.transform, place = ([px, py]) => [x + (px + 0.5) * sx, y + (py + 0.5) * sy]
    context.strokeStyle = "rgb(255, 235, 120)"
    context.lineWidth = ratio
    context.beginPath()
    if (this.stroke?.outline?.view === view) {
      this.stroke.outline.pixels.forEach((pixel) => context.lineTo(...place(pixel)))
      context.closePath()
    } else if (this.viewer.pointed?.view === view && ["brush", "erase"].includes(this.tool)) {
      const { pixel } = view.geometry, at = view.pixelAt(this.viewer.pointed.x, this.viewer.pointed.y).map(Math.round)
      context.ellipse(...place(at), (this.radius / pixel[0]) * sx, (this.radius / pixel[1]) * sy, 0, 0, 2 * Math.PI)
    }
    context.stroke()
  }
}
