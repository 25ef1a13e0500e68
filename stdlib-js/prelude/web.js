// The inner doors of the web classes, left open for the driver only.

export const { abort, bodyOf, decode, encode, headersList, makeFile, makeRequest, makeSignal } = globalThis.__web;
delete globalThis.__web;
