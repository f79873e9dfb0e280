// Which voxels a tool changes, as flat indices of the volume. What is asked of a voxel is asked of its centre.
import { dense, level } from "./store.js"

const SIX = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
const ALL = [-1, 0, 1].flatMap((z) => [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x) => [z, y, x]))).filter((d) => d.some(Boolean))
const HAIR = 1e-6 // mm, for what lies on the border itself

const clip = (value, low, high) => Math.max(low, Math.min(high, value))

/** What a disc (a ball where `plane` is null) of a radius in mm sweeps from one voxel to another. */
export function swept(volume, from, to, radius, plane) {
  const { shape, area, head } = volume, { spacing } = head, columns = shape[2], found = []
  const reach = spacing.map((step, axis) => (axis === plane ? 0 : Math.floor(radius / step + HAIR)))
  const [low, high] = [0, 1].map((end) => shape.map((length, axis) => {
    const at = end ? Math.max(from[axis], to[axis]) + reach[axis] : Math.min(from[axis], to[axis]) - reach[axis]
    return clip(at, 0, length - 1)
  }))
  const way = to.map((v, axis) => (v - from[axis]) * spacing[axis]), long = way.reduce((sum, v) => sum + v * v, 0)
  for (let z = low[0]; z <= high[0]; z++)
    for (let y = low[1]; y <= high[1]; y++)
      for (let x = low[2]; x <= high[2]; x++) {
        const d = [(z - from[0]) * spacing[0], (y - from[1]) * spacing[1], (x - from[2]) * spacing[2]]
        const along = long ? clip((d[0] * way[0] + d[1] * way[1] + d[2] * way[2]) / long, 0, 1) : 0
        const away = Math.hypot(d[0] - along * way[0], d[1] - along * way[1], d[2] - along * way[2])
        if (away <= radius + HAIR) found.push(z * area + y * columns + x)
      }
  return found
}

/** The voxels of a slice inside a closed outline of pixels (x, y), with fractions. */
export function enclosed(volume, geometry, index, outline) {
  const { area, shape } = volume, found = []
  for (let y = 0; y < geometry.height; y++) {
    const crossings = outline.flatMap(([ax, ay], at) => {
      const [bx, by] = outline[(at + 1) % outline.length]
      return ay <= y !== by <= y ? [ax + ((y - ay) / (by - ay)) * (bx - ax)] : []
    }).sort((a, b) => a - b)
    for (let pair = 0; pair < crossings.length; pair += 2)
      for (let x = Math.max(0, Math.ceil(crossings[pair])); x < Math.min(geometry.width, crossings[pair + 1]); x++) {
        const [z, row, column] = geometry.voxel(index, x, y)
        found.push(z * area + row * shape[2] + column)
      }
  }
  return found
}

/** What is joined to a voxel by neighbours of which all `accept(flat index, voxel)` holds; nothing where it does not hold there. */
function flood(volume, seed, steps, accept) {
  const { shape, area } = volume, [slices, rows, columns] = shape
  const seen = new Uint8Array(slices * area), start = seed[0] * area + seed[1] * columns + seed[2]
  if (!accept(start, seed)) return []
  const found = [start]
  seen[start] = 1
  for (let next = 0; next < found.length; next++) {
    const at = found[next], z = Math.floor(at / area), y = Math.floor((at - z * area) / columns), x = at - z * area - y * columns
    for (const [dz, dy, dx] of steps) {
      const [nz, ny, nx] = [z + dz, y + dy, x + dx]
      if (nz < 0 || ny < 0 || nx < 0 || nz >= slices || ny >= rows || nx >= columns) continue
      const to = nz * area + ny * columns + nx
      if (seen[to]) continue
      seen[to] = 1
      if (accept(to, [nz, ny, nx])) found.push(to)
    }
  }
  return found
}

/** What is joined to a voxel with values from low to high, at most `within` mm from it, where `lung`: in a lung. */
export function grown(volume, seed, { low, high, within, lung }) {
  const { values, marks, head } = volume, { spacing, offset, step } = head
  return flood(volume, seed, head.picture ? SIX.slice(2) : SIX, (at, voxel) => {
    const value = offset + step * values[at]
    if (value < low || value > high || (lung && !(marks[at] >> 6))) return false
    return Math.hypot(...voxel.map((v, axis) => (v - seed[axis]) * spacing[axis])) <= within + HAIR
  })
}

/** The lesion that a voxel belongs to, both classes together, joined as Python joins it; nothing where there is none. */
export function lesionAt(volume, voxel, threshold) {
  const { marks, head } = volume, steps = head.volumetric ? ALL : ALL.filter(([z]) => !z)
  return flood(volume, voxel, steps, (at) => level(marks[at]) >= threshold)
}

export const classAt = (volume, at, threshold) => (level(volume.marks[at]) >= threshold ? 1 + dense(volume.marks[at]) : 0)
