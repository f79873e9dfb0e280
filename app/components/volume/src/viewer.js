// The viewer of one study: what is on screen, and what buttons, pointer and keys do to it.
import { Body } from "./body.js"
import { Correct } from "./correct.js"
import { View } from "./draw.js"
import { Edits } from "./edits.js"
import { Panel } from "./panel.js"
import { key, pointerOn } from "./pointer.js"
import { Questions } from "./questions.js"
import { Volume } from "./store.js"
import { describe, under } from "./words.js"

const PLAY = 12 // slices a second

export class Viewer {
  constructor(head) {
    this.volume = new Volume(head)
    this.at = head.shape.map((length) => length >> 1)
    this.moved = this.hidden = false
    this.layout = this.active = 0
    this.tool = "window"
    this.window = head.windows[0].range
    this.style = "outline"
    this.classes = [1, 2]
    this.lungs = true
    this.opacity = 0.45
    this.measures = []
    this.questions = new Questions(this)
    this.edits = new Edits(this)
    this.correct = new Correct(this)
    this.chosen = -1 // the lesion that N and P count from
    this.panel = new Panel(this)
    this.root = this.panel.root
    this.views = this.panel.canvases.map((canvas, plane) => new View(this.volume, plane, canvas))
    this.views.forEach((view) => pointerOn(this, view))
    this.body = new Body(this.volume, this.panel.body, () => this.draw())
    this.update(head)
    this.resized = new ResizeObserver(() => this.draw())
    this.resized.observe(this.panel.stage)
  }

  get head() {
    return this.volume.head
  }

  /** How many of the levels a probability must reach, to count as lesion. */
  get threshold() {
    return 1 + this.head.levels.indexOf(this.shownThreshold)
  }

  get look() {
    const { window, style, classes, lungs, opacity, hidden, threshold } = this
    return { window, style, classes, lungs, opacity, hidden, threshold }
  }

  /** A new message: settings as Python has them, and blocks of slices. */
  update(head, blocks = []) {
    this.questions.heard(head)
    const stale = this.edits.heard(head.corrections)
    if (stale != null) {
      this.correct.forget()
      this.correct.notice = stale
      this.volume.ask()
    }
    this.volume.update(head)
    this.volume.take(blocks)
    if (this.awaited === head.taken) this.awaited = null
    const free = !this.dragging && this.awaited == null
    if (free) Object.assign(this, { shownThreshold: head.threshold, shownSmallest: head.smallest })
    if (!this.moved) this.at[0] = head.initial
    if (head.go && head.go[0] !== this.went) this._sent(head.go)
    this.panel.update()
    this.draw()
  }

  /** Another page leads to an axial slice, [question, index on the upright grid]. */
  _sent([question, index]) {
    this.went = question
    if (this.layout !== "All") this.layout = this.active = 0
    this.at[0] = Math.max(0, Math.min(this.volume.shape[0] - 1, index - this.head.start[0]))
    this.moved = true
  }

  mount(send) {
    this.send = send
    if (!this.mounted) {
      this.mounted = (event) => this._key(event)
      for (const kind of ["keydown", "keyup"]) window.addEventListener(kind, this.mounted, true)
    }
    this.questions.ask()
    this.edits.send()
    this.draw()
  }

  leave() {
    for (const kind of ["keydown", "keyup"]) window.removeEventListener(kind, this.mounted, true)
    this.mounted = null
    clearInterval(this.playing)
    this.questions.leave()
    this.edits.leave()
    this.playing = null
  }

  forget() {
    this.leave()
    this.edits.forget()
    this.resized.disconnect()
    this.body.forget()
    this.root.remove()
  }

  _key(event) {
    const field = event.target.closest?.("input, textarea, select"), slider = field?.type === "range"
    const typing = slider ? /^(Arrow|Page|Home|End)/.test(event.key) : field && field.type !== "checkbox"
    const pressing = event.target.closest?.("button") && [" ", "Enter"].includes(event.key)
    const ours = this.root.matches(":hover, :focus-within")
    if (ours && !typing && !pressing && key(this, event, event.type === "keyup")) {
      event.preventDefault()
      event.stopImmediatePropagation()
    }
  }

  step(plane, by) {
    this.go(plane, this.at[plane] + by)
  }

  go(plane, index) {
    this.at[plane] = Math.max(0, Math.min(this.volume.shape[plane] - 1, index))
    this._moved(plane)
  }

  /** Put the crosshair on a voxel; `plane` keeps the keys. */
  goTo(voxel, plane = this.active) {
    this.at = voxel.map((v, axis) => Math.max(0, Math.min(this.volume.shape[axis] - 1, v)))
    this._moved(plane)
  }

  _moved(plane) {
    this.active = plane
    this.moved = true
    this.draw()
  }

  worst() {
    const plane = this.layout in [0, 1, 2] ? this.layout : 0
    const loads = this.volume.loads(plane, this.threshold).map(([a, b]) => a + b)
    const most = loads.reduce((best, load, at) => (load > loads[best] ? at : best), 0)
    if (loads[most]) this.go(plane, most)
  }

  lesion(by) {
    const { lesions } = this.head
    if (lesions.length) this.showLesion((this.chosen + by + lesions.length + (this.chosen < 0 && by < 0 ? 1 : 0)) % lesions.length)
  }

  showLesion(index) {
    this.chosen = index
    this.goTo(this.head.lesions[index].voxel, typeof this.layout === "number" ? this.layout : 0)
    this.panel.update()
  }

  play() {
    clearInterval(this.playing)
    const plane = this.active
    this.playing = this.playing ? null : setInterval(() => {
      this.go(plane, this.at[plane] + 1 < this.volume.shape[plane] ? this.at[plane] + 1 : 0)
    }, 1000 / PLAY)
    this.panel.update()
  }

  reset() {
    this.window = this.head.windows[0].range
    this.views.forEach((view) => view.reset())
    this.body.reset()
    this.panel.update()
    this.draw()
  }

  clear() {
    this.measures.length = 0
    this.draw()
  }

  set(change) {
    Object.assign(this, change)
    this.panel.update()
    this.draw()
  }

  setWindow(range) {
    this.set({ window: range })
  }

  setStyle(style) {
    this.set({ style })
  }

  setLayout(layout) {
    if (layout !== "3D" && layout !== "All") this.active = layout
    this.set({ layout })
  }

  /** Move a threshold: the picture and its numbers follow at once, Python when it is let go. */
  setThreshold(value, done) { this._move({ shownThreshold: value }, done) }

  setSmallest(size, done) { this._move({ shownSmallest: size }, done) }

  /** Both go at once: where two changes meet on their way, Streamlit keeps the last. Answers to earlier ones are passed by. */
  _move(change, done) {
    this.set({ ...change, dragging: !done })
    if (!done) return
    this.awaited = Math.floor(Math.random() * 2 ** 31)
    this.send.trigger("set", { threshold: this.shownThreshold, smallest: this.shownSmallest, number: this.awaited })
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen()
    else this.root.requestFullscreen?.()
  }

  /** Draw once before the next picture of the screen, however much has changed. */
  draw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null
      this._draw()
    })
  }

  _draw() {
    if (!this.root.isConnected) return
    const look = this.look
    for (const view of this.views) {
      const { plane } = view.geometry
      if (view.canvas.hidden) continue
      const measures = this.measures.filter((each) => each.plane === plane && each.index === this.at[plane])
      view.draw(this.at[plane], look, this.layout === "All" ? this.at : null, [...measures, this.correct])
      view.canvas.setAttribute("aria-label", describe(this, plane))
    }
    if (!this.panel.body.hidden && !this.correct.stroke) this.body.draw(this.threshold)
    this.panel.follow()
    this.tell()
    this.root.dataset.drawn = `${this.at} ${this.window} ${this.shownThreshold}`
  }

  /** Say what lies under the pointer. */
  tell() {
    this.panel.readout.textContent = this.pointed ? under(this, this.pointed) : ""
  }
}
