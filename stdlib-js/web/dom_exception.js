// The engine's own; its members are those of the standard.
export const { DOMException } = globalThis;
