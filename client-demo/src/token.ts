import { createStored, isString } from './storage.ts'

/**
 * The token to connect with, for gateways that want one: `#token=…` in the address, from where it is
 * taken into the tab's storage. A fragment never leaves the browser.
 */
export function takeToken(): string | undefined {
  const stored = createStored(() => sessionStorage, 'roomwire.token', isString)
  const given = tokenInAddress()
  if (given !== undefined) stored.write(given)
  // Pasted into a page that is open: it begins anew with it.
  window.addEventListener('hashchange', () => {
    if (tokenInAddress() !== undefined) location.reload()
  })
  return given ?? stored.read()
}

const tokenInAddress = () => new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined
