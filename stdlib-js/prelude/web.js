// The inner doors of the web classes, left open for the driver only.

export const { abort, bareRequest, bodyOf, decode, encode, makeFile, makeRequest, makeSignal, wireOf } = globalThis.__web;
delete globalThis.__web;
