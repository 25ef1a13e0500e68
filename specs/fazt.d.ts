// Generated from the registry by `fazt surface --types`. Do not edit.

// What the code of an app finds as `fazt` and as global names; the capabilities of the registry stand at the end. The
// web platform's own names (Request, URL, crypto and so on) are those of TypeScript's lib "DOM".

interface FaztUser {
  readonly id: string;
  readonly email: string | null;
  readonly name: string | null;
  readonly picture: string | null;
  readonly role: "owner" | "admin" | "user" | (string & {});
  readonly provider: string | null;
}

interface FaztFile {
  name: string;
  type: string;
  size: number;
  /** The content, fetched when it is first read. */
  data: ArrayBuffer;
}

/** The request as modules and scripts get it. */
interface FaztRequest {
  readonly id: string;
  readonly method: string;
  path: string;
  url: { pathname: string; search: string; query: string; href: string; host: string; toString(): string };
  /** The first value of each name. */
  query: Record<string, string>;
  /** Names in small letters; values that came twice are joined. */
  headers: Record<string, string>;
  cookies: Record<string, string>;
  /** JSON and forms as values, texts as a string, anything else as an ArrayBuffer; null when there is none. */
  body: any;
  /** The bytes as they came. */
  rawBody: ArrayBuffer | null;
  text: string;
  /** The body read as JSON, or the form; null when it is neither. */
  json: any;
  form: Record<string, string>;
  /** The first file of each field. */
  files: Record<string, FaztFile>;
  ip: string;
  user: FaztUser | null;
  trigger: "http" | "run" | (string & {});
  /** What a run was given. */
  input?: any;
}

interface FaztCookie {
  value: string | number | boolean;
  /** Seconds. */
  maxAge?: number;
  expires?: Date | string | number;
  path?: string;
  /** True unless said otherwise. */
  httpOnly?: boolean;
  secure?: boolean;
  sameSite?: "Strict" | "Lax" | "None" | "strict" | "lax" | "none" | false;
}

type FaztBody = string | ArrayBuffer | ArrayBufferView | object | number | boolean | null;

/** A response as a plain object: with any other key it is a JSON body itself. */
interface FaztResponse {
  /** 200 to 599. */
  status?: number;
  headers?: Record<string, string | number | string[]>;
  body?: FaztBody;
  json?: any;
  html?: string;
  text?: string;
  /** An address to go to; 302 unless a status from 300 to 399 is given. */
  redirect?: string;
  cookies?: Record<string, string | number | boolean | FaztCookie>;
}

/** `module.exports = …` */
type FaztHandler = (request: FaztRequest) => unknown;

interface FaztContext {
  /** Work that goes on after the response. */
  waitUntil(promise: PromiseLike<unknown>): void;
  passThroughOnException(): void;
}

/** `export default …` */
interface FaztFetchHandler<Env = Record<string, string>> {
  fetch(request: Request, env: Readonly<Env>, ctx: FaztContext): Response | Promise<Response>;
}

/** Thrown by `fazt.*`; a wrong argument is a TypeError with the same fields. */
declare class FaztError extends Error {
  readonly code: string;
  readonly hint?: string;
  readonly details?: Record<string, any>;
}

/** In scripts, and while a handler runs. */
declare const request: FaztRequest;

declare function respond(body: FaztBody | FaztResponse): FaztResponse;
declare function respond(status: number, body?: FaztBody, headers?: FaztResponse["headers"]): FaztResponse;

interface FaztResponseBuilder {
  status(status: number): this;
  header(name: string, value: string | number): this;
  cookie(name: string, value: string, options?: Omit<FaztCookie, "value">): this;
  json(value: any): FaztResponse;
  text(text: string): FaztResponse;
  html(html: string): FaztResponse;
  send(body?: FaztBody): FaztResponse;
  redirect(url: string, status?: number): FaztResponse;
}

declare const response: FaztResponseBuilder;

interface FaztLog {
  (message: unknown, data?: unknown): void;
}

interface FaztEnv {
  get(name: string): string | undefined;
  get<T>(name: string, otherwise: T): string | T;
  has(name: string): boolean;
}

/** The parts of `fazt` that are made in the guest. */
interface FaztGuest {
  readonly version: string;

  readonly app: {
    readonly id: string;
    readonly name: string;
    readonly source: string;
    readonly version: string;
    /** All settings of the app, by name. */
    readonly env: Readonly<Record<string, string>> & FaztEnv;
    /** What `app.json` says; it cannot be changed. */
    readonly manifest: Readonly<Record<string, any>>;
  };

  /** Settings of the app, set by its owner. */
  readonly env: FaztEnv;

  readonly log: { readonly debug: FaztLog; readonly info: FaztLog; readonly warn: FaztLog; readonly error: FaztLog };

  /** Files under `private/`, which are served to nobody who is not signed in. */
  readonly private: {
    read(path: string): string | undefined;
    /** null when there is no such file, or it is not JSON. */
    readJSON(path: string): any;
    exists(path: string): boolean;
    list(): string[];
  };

  /** Who is asking. Outside of a request every one of these throws NO_REQUEST. */
  readonly auth: {
    getUser(): FaztUser | null;
    isLoggedIn(): boolean;
    isOwner(): boolean;
    /** The owner is an admin too. */
    isAdmin(): boolean;
    /** 'user' is anybody who is signed in. */
    hasRole(role: string): boolean;
    /** Answers by itself when nobody is signed in: browsers are sent to the login page, others get 401. */
    requireLogin(): FaztUser;
    /** One of these roles, or 403. */
    requireRole(...roles: (string | string[])[]): FaztUser;
    requireAdmin(): FaztUser;
    requireOwner(): FaztUser;
    getLoginURL(redirect?: string): string;
    getLogoutURL(redirect?: string): string;
  };

  sleep(ms: number): Promise<void>;
}

interface FaztStorage {
  readonly kv: {
    /** The value under a key; undefined when there is none or it has expired. */
    get(key: string): any | undefined;
    /** Store a value; with a ttl it vanishes by itself. */
    set(key: string, value: any, ttl?: number | string | null): void;
    /** Remove a key; one that is not there is fine. */
    delete(key: string): void;
    /** Entries by prefix, in key order; meta.next continues where the page ends. */
    list(prefix?: string, options?: { limit?: number; after?: string | null }): { key: string; value: any; expiresAt?: number | null }[];
  };
}

declare const fazt: FaztGuest & {
  readonly storage: FaztStorage;
  readonly app: Pick<FaztStorage, "kv"> & { readonly user: Pick<FaztStorage, "kv"> };
};
