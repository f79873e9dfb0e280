// A ruler, and an ellipse with the values inside it; each belongs to one slice of one plane.
import { distance, fixed } from "./planes.js"

const COLOUR = "rgb(255, 235, 120)"

/** Of two pixels (x, y) of the slice, with fractions. */
class Measure {
  constructor(view, index, from) {
    this.plane = view.geometry.plane
    this.index = index
    this.from = this.to = from
  }

  get empty() {
    return Math.hypot(this.to[0] - this.from[0], this.to[1] - this.from[1]) < 0.5
  }

  draw(context, view, ratio) {
    const { sx, sy, x, y } = view.transform
    const place = ([px, py]) => [x + (px + 0.5) * sx, y + (py + 0.5) * sy]
    const [from, to] = [place(this.from), place(this.to)]
    context.strokeStyle = context.fillStyle = COLOUR
    context.lineWidth = 1.5 * ratio
    context.beginPath()
    this.trace(context, from, to)
    context.stroke()
    context.font = `${13 * ratio}px system-ui, sans-serif`
    Object.assign(context, { textAlign: "left", textBaseline: "bottom" })
    this.lines(view).forEach((line, at) => {
      const [tx, ty] = [Math.max(from[0], to[0]) + 6 * ratio, Math.min(from[1], to[1]) + 16 * ratio * (at + 1)]
      context.strokeStyle = "#000"
      context.lineWidth = 3 * ratio
      context.strokeText(line, tx, ty)
      context.fillText(line, tx, ty)
    })
  }
}

export class Ruler extends Measure {
  trace(context, from, to) {
    context.moveTo(...from)
    context.lineTo(...to)
  }

  lines(view) {
    const [from, to] = [this.from, this.to].map(([x, y]) => view.geometry.voxel(this.index, x, y))
    const [length, unit] = distance(view.volume.head, from, to)
    return [`${fixed(length, 1)} ${unit}`]
  }
}

export class Region extends Measure {
  trace(context, from, to) {
    const [rx, ry] = [Math.abs(to[0] - from[0]) / 2, Math.abs(to[1] - from[1]) / 2]
    context.ellipse((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, rx, ry, 0, 0, 2 * Math.PI)
  }

  /** Mean, standard deviation and number of the values whose pixel centres lie inside. */
  statistics(view) {
    const [cx, cy] = [(this.from[0] + this.to[0]) / 2, (this.from[1] + this.to[1]) / 2]
    const [rx, ry] = [Math.abs(this.to[0] - this.from[0]) / 2, Math.abs(this.to[1] - this.from[1]) / 2]
    let count = 0, sum = 0, squares = 0
    for (let y = Math.ceil(cy - ry); y <= cy + ry; y++)
      for (let x = Math.ceil(cx - rx); x <= cx + rx; x++) {
        if (!view.inside([x, y]) || ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 > 1) continue
        const value = view.volume.value(view.geometry.voxel(this.index, x, y))
        if (value == null) continue
        count++
        sum += value
        squares += value * value
      }
    const mean = sum / count
    return { count, mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)) }
  }

  lines(view) {
    const { count, mean, deviation } = this.statistics(view), { unit, affine } = view.volume.head
    if (!count) return []
    const [across, down] = view.geometry.pixel
    const size = affine ? `${fixed(count * across * down, 0)} mm²` : `${fixed(count, 0)} px`
    return [`mean ${fixed(mean, 0)} ${unit}`, `SD ${fixed(deviation, 0)}, ${size}`]
  }
}
