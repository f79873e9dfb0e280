// Everything round the pictures: tools, the slider with the lesion load, thresholds, numbers, the list of lesions.
import { Bar } from "./bar.js"
import { HELP } from "./pointer.js"
import { NAMES, fixed, numbered, position } from "./planes.js"
import { byHand } from "./store.js"
import { amount, area, percent } from "./words.js"

const ALONG = ["from the feet to the head", "from front to back", "from the patient's right to the left"]

/** An element: properties (`on...` too), attributes where they have a dash, children. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value)
    else element[name] = value
  }
  element.append(...children)
  return element
}

export const rgb = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`

export class Panel {
  constructor(viewer) {
    this.viewer = viewer
    this.pressed = [] // [button, () => whether it is on]
    this.canvases = NAMES.map(() => h("canvas", { role: "img" }))
    this.body = h("canvas", { role: "img", "aria-label": "Lungs and lesions in 3D; drag to turn" })
    this.readout = h("output", { className: "under" })
    this.stage = h("div", { className: "stage" }, ...this.canvases, this.body, this.readout)
    this.load = h("canvas", { className: "load", role: "img", onclick: (event) => this._loadClicked(event) })
    this.slider = h("input", { type: "range", min: 1, step: 1 })
    this.slider.oninput = () => viewer.go(this.along, Number(this.slider.value) - 1 - viewer.head.start[this.along])
    this.numbers = h("p", { className: "numbers", role: "status" })
    this.table = h("table")
    this.list = h("ol", { className: "lesions" })
    this.threshold = this._slider("Infection from probability", (at, done) => viewer.setThreshold(viewer.head.levels[at], done),
      "From this probability on a pixel counts as lesion. The networks do not run again.")
    this.smallest = this._slider("Smallest lesion in a slice", (size, done) => viewer.setSmallest(size, done),
      "Lesions that are smaller in a slice are left out everywhere, as soon as it is let go.")
    Object.assign(this.smallest.input, { max: 200, step: 5 })
    this.help = h("dl", { className: "help", hidden: true }, ...HELP.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)]))
    this.root = h("section", { className: "infnet-volume", tabIndex: 0, "aria-label": "Volume viewer" },
      h("div", { className: "above" }, this._tools(), (this.bar = new Bar(this)).root, this.help),
      h("div", { className: "picture" }, this.stage, h("div", { className: "along" }, this.load, this.slider)),
      h("aside", {}, this.numbers, this.threshold.row, this.smallest.row, this.table, h("h2", {}, "Lesions"), this.list))
  }

  /** The plane that the slider moves through. */
  get along() {
    const { layout, active } = this.viewer
    return typeof layout === "number" ? layout : active
  }

  button(text, title, onclick, on) {
    const button = h("button", { type: "button", title, onclick }, text)
    if (on) this.pressed.push([button, on])
    return button
  }

  group(name, ...children) {
    return h("div", { className: "group", role: "group", "aria-label": name }, ...children)
  }

  _tools() {
    const { viewer } = this, { head } = viewer
    const layouts = head.picture ? [] : [["Axial", 0], ["Coronal", 1], ["Sagittal", 2], ["All", "All"], ["3D", "3D"]]
    const tools = [["Window", "window"], ["Move", "move"], ["Zoom", "zoom"], ["Ruler", "ruler"], ["Region", "region"]]
    const styles = [["Outline", "outline"], ["Fill", "fill"], ["Off", "off"]]
    const classes = [1, 2].map((code) => {
      const toggle = () => viewer.set({ classes: [1, 2].filter((c) => (c === code) !== viewer.classes.includes(c)) })
      const button = this.button(head.shortNames[code], head.classNames[code], toggle, () => viewer.classes.includes(code))
      button.prepend(h("i", { style: `background: ${rgb(head.colours[code - 1])}` }))
      return button
    })
    const lungs = this.button("Lung borders", "Border of each lung", () => viewer.set({ lungs: !viewer.lungs }), () => viewer.lungs)
    lungs.prepend(h("i", { style: `background: ${rgb(head.lung)}` }))
    return h("div", { className: "tools", role: "toolbar", "aria-label": "Viewer tools" },
      this.group("Planes", ...layouts.map(([text, layout]) => {
        return this.button(text, `${text}`, () => viewer.setLayout(layout), () => viewer.layout === layout)
      })),
      this.group("What dragging does", ...tools.map(([text, tool]) => {
        return this.button(text, `Left drag: ${text.toLowerCase()}`, () => viewer.set({ tool }), () => viewer.tool === tool)
      })),
      this.group("Window", ...head.windows.map(({ name, range }) => {
        return this.button(name, `${range[0]} to ${range[1]}`, () => viewer.setWindow(range), () => `${viewer.window}` === `${range}`)
      })),
      this.group("Lesions as", ...styles.map(([text, style]) => {
        return this.button(text, `Overlay: ${text.toLowerCase()}`, () => viewer.setStyle(style), () => viewer.style === style)
      })),
      this.group("Marks", ...classes, lungs),
      this.group("Actions",
        this.button("Play", "Play through the slices (Space)", () => viewer.play(), () => viewer.playing != null),
        this.button("Most lesion", "The slice with the most lesion (M)", () => viewer.worst()),
        this.button("Reset", "Window, zoom and place (0)", () => viewer.reset()),
        this.button("Full screen", "Full screen, and back", () => viewer.fullScreen()),
        this.button("Pictures", "The viewer with heat map, stages, HU bands and two models side by side", () => {
          viewer.send.trigger("set", { viewer: "Pictures", slice: numbered(viewer.head, 0, viewer.at[0])[0] })
        }),
        this.button("Correct", "Brush, eraser, and what else mends the marks", () => viewer.correct.toggle(), () => viewer.correct.open),
        this.button("Keys", "What keys and mouse do", () => { this.help.hidden = !this.help.hidden; this.update() }, () => !this.help.hidden)))
  }

  /** A slider with its name and its value: {input, shown, row}. */
  _slider(name, moved, title) {
    const input = h("input", { type: "range", min: 0, step: 1, "aria-label": name }), shown = h("output")
    input.oninput = () => moved(Number(input.value), false)
    input.onchange = () => moved(Number(input.value), true)
    return { input, shown, row: h("label", { className: "threshold", title }, h("span", {}, `${name} `), shown, input) }
  }

  _set({ input, shown }, value, text, disabled) {
    if (document.activeElement !== input || Number(input.value) !== value) input.value = value
    shown.textContent = text
    input.setAttribute("aria-valuetext", text)
    input.disabled = disabled
  }

  /** What follows settings and messages. */
  update() {
    const { viewer } = this, { head, volume, layout } = viewer
    for (const [button, on] of this.pressed) button.setAttribute("aria-pressed", String(Boolean(on())))
    this.canvases.forEach((canvas, plane) => (canvas.hidden = layout !== plane && layout !== "All"))
    this.body.hidden = layout !== "3D" && layout !== "All"
    this.stage.dataset.layout = layout
    this.threshold.input.max = head.levels.length - 1
    this._set(this.threshold, head.levels.indexOf(viewer.shownThreshold), fixed(viewer.shownThreshold, 2), head.growing)
    this._set(this.smallest, viewer.shownSmallest, `${viewer.shownSmallest} ${head.pixelMm2 ? "mm²" : "px"}`, head.growing)
    this.bar.update()
    const { lungs, lesions } = volume.sum(0, null, viewer.threshold)
    const lesion = lesions.flat().reduce((a, b) => a + b), lung = lungs[1] + lungs[2]
    const inside = lesions.slice(1).flat().reduce((a, b) => a + b)
    const part = volume.complete ? "" : head.growing ? " so far" : " of what is here so far"
    this.numbers.setAttribute("aria-live", part ? "off" : "polite") // a screen reader need not hear every slice that comes
    this.numbers.textContent = `Lesion ${amount(head, lesion)}, ${percent(inside, lung)} of the lungs${part}`
    const byPerson = head.lesions.map(({ seed }) => volume.holds(seed) && byHand(volume.mark(seed)))
    const listed = JSON.stringify([head.lesions, byPerson])
    if (listed !== this.listed) this._list(head, byPerson)
    this.listed = listed
    ;[...this.list.querySelectorAll("button")].forEach((each, at) => {
      each.setAttribute("aria-pressed", String(at === viewer.chosen))
      if (at === viewer.chosen) this.list.scrollTop = Math.max(0, each.parentElement.offsetTop - this.list.clientHeight / 2)
    })
    this.loadKey = null
    this._slide() // at once: a value that is set in the same moment as the plane must find its range
  }

  _list(head, byPerson) {
    this.viewer.chosen = -1
    this.list.replaceChildren(...head.lesions.map(({ size, lung, voxel, dense }, at) => {
      const place = `${size}, ${lung}, slice ${numbered(head, 0, voxel[0])[0]}, ${dense} consolidation`
      const title = byPerson[at] ? "Accepted or drawn by a person" : ""
      return h("li", {}, h("button", { type: "button", title, onclick: () => this.viewer.showLesion(at) }, `${byPerson[at] ? "✓ " : ""}${place}`))
    }))
  }

  /** The range of the slider, and where it stands. */
  _slide() {
    const { slider, along, viewer } = this, { head, at } = viewer
    const [number, count] = numbered(head, along, at[along]), place = position(head, along, at[along])
    slider.min = head.start[along] + 1
    slider.max = head.start[along] + viewer.volume.shape[along]
    slider.value = number
    slider.setAttribute("aria-label", head.picture ? "Slice" : `Slice, ${ALONG[along]}`)
    slider.setAttribute("aria-valuetext", `${number} of ${count}${place}`)
  }

  /** What follows the slice on screen. */
  follow() {
    const { viewer, along } = this, { at } = viewer
    this._slide()
    const key = `${along} ${viewer.threshold} ${viewer.volume.version} ${this.load.clientWidth}`
    if (key !== this.loadKey) this.bars = viewer.volume.loads(along, viewer.threshold)
    if (key !== this.loadKey || this.loadAt !== at[along]) this._load(at[along])
    this.loadKey = key
    this.loadAt = at[along]
    this._table(along, at[along])
  }

  /** Bars of ground glass and consolidation for each slice, under the slider's own way. */
  _load(now) {
    const { load, bars } = this, { head } = this.viewer, ratio = devicePixelRatio || 1
    load.width = Math.max(1, load.clientWidth * ratio)
    load.height = Math.max(1, load.clientHeight * ratio)
    const context = load.getContext("2d"), wide = load.width / bars.length
    const highest = Math.max(1, ...bars.map(([a, b]) => a + b))
    context.fillStyle = "rgba(128, 140, 150, .5)"
    context.fillRect(now * wide, 0, Math.max(wide, 2 * ratio), load.height)
    bars.forEach((parts, k) => {
      let base = load.height
      for (const kind of [1, 0]) {
        const tall = (0.96 * load.height * parts[kind]) / highest
        context.fillStyle = rgb(head.colours[kind])
        context.fillRect(k * wide, base - tall, Math.max(wide * 0.88, 1), tall)
        base -= tall
      }
    })
    const most = bars.reduce((best, [a, b], k) => (a + b > bars[best][0] + bars[best][1] ? k : best), 0)
    const [number, count] = numbered(head, this.along, most)
    const alt = bars[most][0] + bars[most][1] ? `Lesion along ${count} slices; most in slice ${number}` : "No lesion in any slice"
    load.setAttribute("aria-label", alt)
  }

  _loadClicked(event) {
    const box = this.load.getBoundingClientRect()
    this.viewer.go(this.along, Math.floor(((event.clientX - box.left) / box.width) * this.bars.length))
  }

  /** Lesion of the slice on screen, by lung and class. */
  _table(plane, index) {
    const { viewer } = this, { head } = viewer, { lungs, lesions } = viewer.volume.sum(plane, index, viewer.threshold)
    if (plane && head.affine) head.planeMm2 ??= [head.spacing[1] * head.spacing[2], head.spacing[0] * head.spacing[2], head.spacing[0] * head.spacing[1]]
    const unit = plane && head.planeMm2 ? { pixelMm2: head.planeMm2[plane] } : head
    const rows = [[head.lungNames[1], [1]], [head.lungNames[2], [2]], ["both", [0, 1, 2]]].map(([name, sides]) => {
      const [ggo, dense] = [1, 2].map((code) => sides.reduce((sum, s) => sum + lesions[s][code], 0))
      const lung = sides.reduce((sum, s) => sum + (s ? lungs[s] : 0), 0)
      const inside = sides.reduce((sum, s) => sum + (s ? lesions[s][1] + lesions[s][2] : 0), 0)
      return [name, area(unit, ggo), area(unit, dense), percent(inside, lung)]
    })
    const text = JSON.stringify(rows)
    if (text === this.tabled) return
    this.tabled = text
    const heads = ["This slice", head.shortNames[1], head.shortNames[2], "Share"]
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((c) => h("td", {}, c))))))
  }
}
