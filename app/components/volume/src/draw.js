// One slice on a canvas: grey by window, lesions filled or outlined, lung borders, letters, measures.
import { dense, level, side } from "./store.js"
import { Plane, fixed, numbered, position } from "./planes.js"

const LINE = 1.5 // CSS pixels

/** Grey of every packed value at a window (HU shown black, white): Uint32 RGBA, index = packed value + 32768. */
function greys(head, [low, high]) {
  const table = new Uint32Array(98304), scale = 255 / Math.max(high - low, 1e-6)
  const [first, last] = { int16: [-32768, 32767], uint16: [0, 65535], uint8: [0, 255] }[head.kind]
  for (let v = first; v <= last; v++) {
    const grey = Math.max(0, Math.min(255, Math.round((head.offset + head.step * v - low) * scale)))
    table[v + 32768] = 0xff000000 | (grey * 0x010101)
  }
  return table
}

/** A view of one plane. `look`: window, style, opacity, classes, lungs, threshold, hidden. */
export class View {
  constructor(volume, plane, canvas) {
    this.volume = volume
    this.canvas = canvas
    this.geometry = new Plane(volume.head, plane)
    const { width, height } = this.geometry
    this.image = surface(width, height)
    this.fill = surface(width, height)
    this.marks = new Uint8Array(width * height)
    this.values = new volume.values.constructor(width * height)
    this.reset()
  }

  reset() {
    this.zoom = 1
    this.pan = [0, 0]
  }

  /** Canvas pixels: where the picture begins and how large one of its pixels is. */
  get transform() {
    const { width, height, pixel } = this.geometry
    const { width: across, height: down } = this.canvas
    const scale = this.zoom * Math.min(across / (width * pixel[0]), down / (height * pixel[1]))
    const [sx, sy] = [scale * pixel[0], scale * pixel[1]]
    return { sx, sy, x: (across - width * sx) / 2 + this.pan[0], y: (down - height * sy) / 2 + this.pan[1] }
  }

  /** Pixel (x, y) of the slice, with fractions, under a point of the window; its centre is whole. */
  pixelAt(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect(), ratio = this.canvas.width / (box.width || 1)
    const { sx, sy, x, y } = this.transform
    return [((clientX - box.left) * ratio - x) / sx - 0.5, ((clientY - box.top) * ratio - y) / sy - 0.5]
  }

  inside([x, y]) {
    return x >= -0.5 && y >= -0.5 && x < this.geometry.width - 0.5 && y < this.geometry.height - 0.5
  }

  /** Zoom by a factor, so that a point of the window keeps its place. */
  zoomBy(factor, clientX, clientY) {
    const [x, y] = this.pixelAt(clientX, clientY)
    this.zoom = Math.max(0.25, Math.min(40, this.zoom * factor))
    const [nx, ny] = this.pixelAt(clientX, clientY), { sx, sy } = this.transform
    this.pan = [this.pan[0] + (nx - x) * sx, this.pan[1] + (ny - y) * sy]
  }

  draw(index, look, cross, measures) {
    const ratio = globalThis.devicePixelRatio || 1, { canvas, geometry, volume } = this
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((v) => Math.max(1, Math.round(v * ratio)))
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    const context = canvas.getContext("2d", { alpha: false })
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.fillStyle = "#000"
    context.fillRect(0, 0, width, height)
    const key = `${index} ${volume.version}`
    if (key !== this.key) {
      geometry.cut(volume.values, index, this.values)
      geometry.cut(volume.marks, index, this.marks)
      this.key = key
      this.grey = this.paths = this.painted = null
    }
    const { sx, sy, x, y } = this.transform
    this._grey(look)
    context.imageSmoothingEnabled = true
    context.imageSmoothingQuality = "high"
    context.setTransform(sx, 0, 0, sy, x, y)
    context.drawImage(this.image.canvas, 0, 0)
    if (!look.hidden && look.style !== "off") {
      if (look.style === "fill") {
        this._fill(look)
        context.imageSmoothingEnabled = false
        context.globalAlpha = look.opacity
        context.drawImage(this.fill.canvas, 0, 0)
        context.globalAlpha = 1
      }
      context.setTransform(1, 0, 0, 1, 0, 0)
      this._outlines(context, look, ratio)
    }
    context.setTransform(1, 0, 0, 1, 0, 0)
    if (cross) this._cross(context, cross, ratio)
    for (const measure of measures) measure.draw(context, this, ratio)
    this._words(context, index, look, ratio)
  }

  _grey(look) {
    const window = look.window.join()
    if (this.grey === window) return
    if (this.windowed !== window) this.table = greys(this.volume.head, look.window)
    this.windowed = this.grey = window
    const { pixels, values, table } = { ...this, pixels: this.image.pixels }
    for (let at = 0; at < values.length; at++) pixels[at] = table[values[at] + 32768]
    this.image.show()
  }

  /** Class of a mark as it is read now: 0 none, 1 ground glass, 2 consolidation. */
  _class(look) {
    const table = new Uint8Array(256)
    for (let mark = 0; mark < 256; mark++) {
      const kind = level(mark) >= look.threshold ? 1 + dense(mark) : 0
      table[mark] = look.classes.includes(kind) ? kind : 0
    }
    return table
  }

  _fill(look) {
    const key = `${look.threshold} ${look.classes}`
    if (this.painted === key) return
    this.painted = key
    const table = this._class(look), { pixels } = this.fill
    const colours = [0, ...this.volume.head.colours].map((c) => c && (0xff000000 | (c[2] << 16) | (c[1] << 8) | c[0]))
    for (let at = 0; at < pixels.length; at++) pixels[at] = colours[table[this.marks[at]]]
    this.fill.show()
  }

  _outlines(context, look, ratio) {
    const key = `${look.threshold} ${look.classes}`
    if (this.paths?.key !== key) {
      const classes = this._class(look)
      const sides = new Uint8Array(256).map((_, mark) => side(mark))
      this.paths = { key, lesions: this._borders(classes), lungs: this._borders(sides) }
    }
    const { sx, sy, x, y } = this.transform, placed = new DOMMatrix([sx, 0, 0, sy, x, y])
    const stroke = (path, [r, g, b], width) => {
      const moved = new Path2D()
      moved.addPath(path, placed)
      context.lineWidth = width * ratio
      context.lineCap = "square"
      context.strokeStyle = `rgb(${r}, ${g}, ${b})`
      context.stroke(moved)
    }
    const { colours, lung } = this.volume.head
    if (look.lungs) this.paths.lungs.forEach((path) => stroke(path, lung, 1))
    if (look.style === "outline") this.paths.lesions.forEach((path, at) => stroke(path, colours[at], LINE))
  }

  /** The border of codes 1 and 2 of the slice along the edges of its pixels, as paths in pixels of the slice. */
  _borders(table) {
    const { width, height } = this.geometry, { marks } = this
    const paths = [null, new Path2D(), new Path2D()]
    const line = (code, x, y, toX, toY) => {
      if (!code) return
      paths[code].moveTo(x, y)
      paths[code].lineTo(toX, toY)
    }
    for (let y = 0, at = 0; y <= height; y++) {
      let left = 0
      for (let x = 0; x <= width; x++) {
        const inside = x < width && y < height
        const code = inside ? table[marks[at]] : 0
        const above = x < width && y > 0 ? table[marks[(y - 1) * width + x]] : 0
        if (code !== above) {
          line(code, x, y, x + 1, y)
          line(above, x, y, x + 1, y)
        }
        if (code !== left) {
          line(code, x, y, x, y + 1)
          line(left, x, y, x, y + 1)
        }
        left = code
        if (inside) at++
      }
    }
    return paths.slice(1)
  }

  _cross(context, voxel, ratio) {
    const [px, py] = this.geometry.at(voxel), { sx, sy, x, y } = this.transform
    const [cx, cy] = [x + (px + 0.5) * sx, y + (py + 0.5) * sy], gap = 12 * ratio
    context.strokeStyle = "rgba(255, 235, 120, .8)"
    context.lineWidth = ratio
    context.beginPath()
    for (const [ax, ay, bx, by] of [[0, cy, cx - gap, cy], [cx + gap, cy, this.canvas.width, cy],
      [cx, 0, cx, cy - gap], [cx, cy + gap, cx, this.canvas.height]]) {
      context.moveTo(ax, ay)
      context.lineTo(bx, by)
    }
    context.stroke()
  }

  _words(context, index, look, ratio) {
    const { width, height } = this.canvas, { head } = this.volume, edge = 8 * ratio
    const small = width < 220 * ratio
    const write = (text, x, y, align, base, size = 13) => {
      context.font = `${size * ratio}px system-ui, sans-serif`
      Object.assign(context, { textAlign: align, textBaseline: base, lineWidth: 3 * ratio, lineJoin: "round" })
      context.strokeStyle = "#000"
      context.strokeText(text, x, y)
      context.fillStyle = "#fff"
      context.fillText(text, x, y)
    }
    const plane = this.geometry.plane, [number, count] = numbered(head, plane, index)
    const name = head.picture ? "Slice" : ["Axial", "Coronal", "Sagittal"][plane]
    write(small ? `${name} ${number}` : `${name} ${number} of ${count}${position(head, plane, index)}`, edge, edge, "left", "top")
    const [low, high] = look.window
    if (!small) write(`W ${fixed(high - low, 0)}  L ${fixed((low + high) / 2, 0)}`, edge, height - edge, "left", "bottom", 12)
    if (!this.geometry.letters) return
    const [left, right, top, bottom] = this.geometry.letters
    write(left, edge, height / 2, "left", "middle", 15)
    write(right, width - edge, height / 2, "right", "middle", 15)
    write(top, width / 2, edge + (width < 420 * ratio ? 20 * ratio : 0), "center", "top", 15)
    write(bottom, width / 2, height - edge, "center", "bottom", 15)
  }
}

/** A canvas that is written pixel by pixel: pixels (Uint32 RGBA), show(). */
function surface(width, height) {
  const canvas = document.createElement("canvas")
  Object.assign(canvas, { width, height })
  const context = canvas.getContext("2d", { willReadFrequently: true }), data = context.createImageData(width, height)
  return { canvas, pixels: new Uint32Array(data.data.buffer), show: () => context.putImageData(data, 0, 0) }
}
