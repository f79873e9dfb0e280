// The bar of tools that correct the marks; folded until somebody asks for it.
import { LEFT_LUNG, RIGHT_LUNG, TOOLS } from "./correct.js"
import { h, rgb } from "./panel.js"

const NAMES = { brush: "Brush", erase: "Erase", outline: "Outline", grow: "Grow" }
const TIPS = {
  brush: "Paint (B)",
  erase: "Take away what is painted (E)",
  outline: "Draw round something: it is filled when the pointer is let go (O)",
  grow: "Click: what is joined to it within the HU limits is marked (G)",
}

export class Bar {
  constructor(panel) {
    const { viewer } = panel, { head } = viewer, correct = (this.correct = viewer.correct)
    this.viewer = viewer
    const tool = (name) => panel.button(NAMES[name], TIPS[name], () => viewer.set({ tool: name }), () => correct.tool === name)
    const target = (text, title, code, colour) => {
      const button = panel.button(text, title, () => correct.set({ target: code }), () => correct.target === code)
      button.prepend(h("i", { style: `background: ${rgb(colour)}` }))
      return button
    }
    const shape = (text, title, ball) => panel.button(text, title, () => correct.set({ ball }), () => correct.ball === ball)
    const unit = head.affine ? "mm" : "px"
    this.size = this._number("Radius", unit, 0.5, 40, 0.5, (radius) => correct.set({ radius }))
    const limit = (name, text, after) => this._number(text, after, -32768, 65535, 1, (value) => this._limit({ [name]: value }))
    this.low = limit("low", "From", "")
    this.high = limit("high", "to", head.step === 1 ? head.unit : `${head.unit}, in steps of ${head.step}`)
    this.within = limit("within", "within", unit)
    this.lung = h("input", { type: "checkbox", onchange: () => this._limit({ lung: this.lung.checked }) })
    this.grow = h("div", { className: "limits" }, this.low.row, this.high.row, this.within.row, h("label", {}, this.lung, " in the lungs"))
    this.brush = h("div", { className: "limits" },
      panel.group("Shape of the brush", shape("Disc", "Paints the slice on screen", false), ...(head.volumetric ? [shape("Ball", "Paints in 3D", true)] : [])), this.size.row)
    this.undo = panel.button("Undo", "Ctrl + Z", () => correct.undo())
    this.redo = panel.button("Redo", "Ctrl + Shift + Z", () => correct.redo())
    this.state = h("output", { className: "state" })
    const tools = h("div", { className: "tools", role: "toolbar", "aria-label": "Corrections" },
      panel.group("How to correct", ...Object.values(TOOLS).map(tool)),
      panel.group("What is painted",
        target(head.shortNames[1], head.classNames[1], 1, head.colours[0]),
        target(head.shortNames[2], head.classNames[2], 2, head.colours[1]),
        target("Right lung", "The patient's right lung", RIGHT_LUNG, head.lung),
        target("Left lung", "The patient's left lung", LEFT_LUNG, head.lung)),
      this.brush, this.grow,
      panel.group("This lesion",
        panel.button("Accept", "The chosen lesion stays at any threshold (A: the one under the pointer)", () => correct.lesion("a")),
        panel.button("Reject", "The chosen lesion is none (X: the one under the pointer)", () => correct.lesion("x")),
        panel.button("Other class", "The chosen lesion is of the other class (C: the one under the pointer)", () => correct.lesion("c"))),
      panel.group("Steps", this.undo, this.redo))
    this.root = h("div", { className: "correct", hidden: true }, tools, this.state)
  }

  _limit(change) {
    this.correct.set({ limits: { ...this.correct.limits, ...change } })
  }

  _number(before, after, min, max, step, chosen) {
    const input = h("input", { type: "number", min, max, step, "aria-label": before })
    input.onchange = () => input.validity.valid && input.value !== "" && chosen(Number(input.value))
    return { input, row: h("label", {}, `${before} `, input, ` ${after}`) }
  }

  update() {
    const { correct, viewer } = this, { limits, tool } = correct
    this.root.hidden = !correct.open
    this.brush.hidden = tool !== "brush" && tool !== "erase"
    this.grow.hidden = tool !== "grow"
    for (const button of this.root.querySelectorAll("button")) button.disabled = !correct.possible
    this.undo.disabled ||= !correct.done.length
    this.redo.disabled ||= !correct.undone.length
    const values = [[this.size, correct.radius], ...["low", "high", "within"].map((name) => [this[name], limits[name]])]
    for (const [{ input }, value] of values) if (document.activeElement !== input) input.value = Math.round(value * 10) / 10
    this.lung.checked = limits.lung
    this.state.textContent = this._state(viewer)
  }

  _state({ head, edits, correct }) {
    if (!correct.possible) return "Possible as soon as the whole result is here."
    if (edits.busy || head.corrections.told !== head.corrections.revision) return "On its way to the numbers ..."
    return correct.notice || head.corrections.text
  }
}
