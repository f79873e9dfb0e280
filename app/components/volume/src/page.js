// When a component may ask Python for something by itself. The pulse of app/components/widgets.py goes by it, too.
//
// A question names the page and the fragment that it comes from, and Streamlit joins what comes at once into one request.
// A question that is sent after a click on another page and before that page begins would bring the old page back; one
// that is sent together with a click would take it into its own fragment. Nothing on the page says that somebody has
// clicked until the server answers, so clicks are watched here.
const LINKS = "[data-testid=stTopNavLink], [data-testid=stSidebarNavLink], [data-testid=stTopNavDropdownLink]"
const SETTLE = 100 // ms after a run in which widgets take over what it has set; until then they would send what was before
const LATEST = 60000 // ms after which a click on another page that led nowhere counts as none
const BACK = 2000 // ms that the browser's way back, whose address changes at once, counts as under way

const page = (globalThis.infnetPage ??= { idle: -Infinity, left: -Infinity, path: "", sending: false, watched: null, whole: null })

/** Whether Streamlit runs the page, or somebody has gone to another one, or another question is being sent. */
export function busy() {
  const app = document.querySelector("[data-testid=stApp]")
  watch(app)
  if (location.pathname !== page.path) page.left = -Infinity // the other page has begun
  const state = app?.dataset.testScriptState
  if (page.sending || (state != null && state !== "notRunning")) return true
  return performance.now() < Math.max(page.idle + SETTLE, page.left + LATEST)
}

/** Send a question, for which Streamlit waits until the browser is idle; a click meanwhile goes after it. */
export function ask(send) {
  page.sending = true
  send()
  setTimeout(() => { page.sending = false }) // after Streamlit's own, of the same delay
}

function watch(app) {
  if (!app || page.watched === app) return
  const first = page.watched === null
  page.watched = app
  new MutationObserver(() => {
    if (app.dataset.testScriptState === "notRunning") page.idle = performance.now()
  }).observe(app, { attributeFilter: ["data-test-script-state"] })
  if (!first) return
  addEventListener("popstate", () => leave(LATEST - BACK))
  addEventListener("click", clicked, true)
}

function clicked(event) {
  if (page.sending) {
    event.preventDefault()
    event.stopImmediatePropagation()
    setTimeout(() => event.target.dispatchEvent(new MouseEvent("click", event)))
  } else if (event.target.closest?.(LINKS) && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    if (event.target.closest(LINKS).pathname !== location.pathname) leave(0)
  }
}

/** No run says that it is the other page's: one of this page may still be on its way. The address does. */
function leave(ago) {
  Object.assign(page, { left: performance.now() - ago, path: location.pathname })
}
