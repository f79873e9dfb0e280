// Numbers and sentences, in the words that Python's `units` and `pictures` have for them.
import { NAMES, fixed, millimetres, numbered } from "./planes.js"
import { byHand, dense, level, side } from "./store.js"

export const area = (head, voxels) => (head.pixelMm2 ? `${fixed(voxels * head.pixelMm2, 0)} mm²` : `${fixed(voxels, 0)} px`)

export const amount = (head, voxels) => (head.voxelMl ? `${fixed(voxels * head.voxelMl, 1)} ml` : area(head, voxels))

export const percent = (part, whole) => (whole ? `${fixed((100 * part) / whole, 1)} %` : "–")

/** The text alternative of the slice that a plane shows. */
export function describe(viewer, plane) {
  const { head, at, volume } = viewer, [number, count] = numbered(head, plane, at[plane])
  const slice = `${plane ? `${NAMES[plane]} slice` : "Slice"} ${number} of ${count}`
  if (head.growing) {
    const state = volume.ready[at[0]] ? "overlay while others still wait" : "not segmented yet"
    return `${slice}, ${volume.previewed[at[0]] ? "a first look at its overlay" : state}`
  }
  if (!volume.held[at[0]]) return `${slice}, on its way`
  if (viewer.style === "off") return `${slice}, without overlay`
  if (volume.marked[at[0]] == null) return `${slice}, overlay on its way`
  if (plane) return `${slice}, with overlay`
  const { lesions } = volume.sum(plane, at[plane], viewer.threshold)
  const loads = [1, 2].map((code) => {
    return `${head.classNames[code]} ${area(head, lesions[0][code] + lesions[1][code] + lesions[2][code])}`
  })
  return `${slice}, with overlay: ${loads.join(", ")}`
}

/** What lies under the pointer. */
export function under(viewer, { view, x, y }) {
  const pixel = view.pixelAt(x, y), { head, volume } = viewer
  if (!view.inside(pixel)) return ""
  const voxel = view.geometry.voxel(viewer.at[view.geometry.plane], ...pixel).map(Math.round)
  const value = volume.value(voxel), mark = volume.mark(voxel), mm = millimetres(head, voxel)
  const kind = level(mark) >= viewer.threshold ? 1 + dense(mark) : 0
  return [
    value == null ? "" : `${Math.round(value)} ${head.unit}`,
    head.classNames[kind] ?? "",
    byHand(mark) ? "by a person" : "",
    head.lungNames[side(mark)] ?? "",
    mm ? `${mm.map((v) => v.toFixed(1)).join(", ")} mm (L, P, H)` : "",
    `slice ${numbered(head, 0, voxel[0])[0]}`,
  ].filter(Boolean).join(" · ")
}
