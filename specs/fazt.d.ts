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
  /** Several writes as one: all of them happen, or none. With `once`, at most once under that key. */
  batch(operations: [operation: string, ...given: any[]][], options?: { once?: string | null }): any[] | null;
  readonly ds: {
    /** Store a document; its id. Several in a list are stored all or none; their ids. */
    insert(collection: string, doc: Record<string, any> & { [Symbol.iterator]?: never }): string;
    /** Store a document; its id. Several in a list are stored all or none; their ids. */
    insert(collection: string, doc: readonly Record<string, any>[]): string[];
    /** The documents a query means, newest first. */
    find(collection: string, query?: any, options?: { limit?: number | null; offset?: number; order?: "asc" | "desc"; sort?: any }): (Record<string, any> & { id: string; _createdAt: number; _updatedAt: number })[];
    /** The newest document a query means, or the one with an id; null when there is none. */
    findOne(collection: string, query: any): Record<string, any> & { id: string; _createdAt: number; _updatedAt: number } | null;
    /** The document with an id; null when there is none. */
    get(collection: string, id: any): Record<string, any> & { id: string; _createdAt: number; _updatedAt: number } | null;
    /** Change every document that an id or a query means, as one; how many those are. */
    update(collection: string, query: any, changes: any): number;
    /** Delete every document that an id or a query means; how many those were. `{}` means all. */
    delete(collection: string, query: any): number;
    /** Delete all but the newest documents; how many that were. */
    deleteOldest(collection: string, keep: number): number;
    /** How many documents a query means. */
    count(collection: string, query?: any): number;
    /** Totals: `{count: true, sum: field, avg: field, min: field, max: field, where: query, groupBy: field}`. */
    aggregate(collection: string, spec: any): any;
    /** The collections there are, with how many documents and bytes they hold. */
    collections(): { name: string; docs: number; bytes: number }[];
  };
  readonly kv: {
    /** The value under a key; undefined when there is none or it has expired. */
    get(key: string): any | undefined;
    /** The values under several keys, those that are there, as an object. */
    getMany(keys: string[]): Record<string, any>;
    /** Store a value; with a ttl it vanishes by itself. Under `temp:` keys it is in memory only, for ten minutes. */
    set(key: string, value: any, ttl?: number | string | null): void;
    /** Remove a key; one that is not there is fine. */
    delete(key: string): void;
    /** Add to a number and say what it is now; one that is not there is 0. Without a ttl its end stays as it is. */
    incr(key: string, by?: number, ttl?: number | string | null): number;
    /** Store a value only where another one is now: `expected`, or null for none at all. Whether it was stored. */
    cas(key: string, expected: any, value: any, ttl?: number | string | null): boolean;
    /** Entries by prefix, in key order; meta.next continues where the page ends. */
    list(prefix?: string, options?: { limit?: number | null; after?: string | null }): { key: string; value: any; expiresAt?: number | null }[];
  };
  readonly rd: {
    /** Run one SELECT, INSERT, UPDATE or DELETE over the app's tables. */
    query(sql: string, params?: any): any;
    /** Make a table, or add columns to it: {name: "TYPE constraints"}. What is there already is fine. */
    define(table: string, columns: any): { name: string; columns: { name: string; type: string }[]; indexes: { columns: string[]; unique?: boolean }[]; rows?: number | null };
    /** Make an index over columns of a table, a list of names; one that is there already is fine. */
    index(table: string, columns: any, options?: { unique?: boolean }): { name: string; columns: { name: string; type: string }[]; indexes: { columns: string[]; unique?: boolean }[]; rows?: number | null };
    /** The app's tables: columns, indexes, and how many rows they have. */
    tables(): ({ name: string; columns: { name: string; type: string }[]; indexes: { columns: string[]; unique?: boolean }[]; rows?: number | null })[];
  };
  readonly s3: {
    /** Store an object: text as UTF-8, an ArrayBuffer, a typed array, or the data of a file that was sent. */
    put(key: string, data: string | ArrayBuffer | ArrayBufferView, mime?: string): { key: string; size: number; mime: string; cid: string };
    /** An object with its bytes; null when there is none. */
    get(key: string): { mime: string; size: number; hash: string; cid: string; updatedAt: number; data: ArrayBuffer; text(): string; base64(): string } | null;
    /** What is known of an object without its bytes; null when there is none. */
    head(key: string): { key: string; path: string; mime: string; size: number; updatedAt: number; cid: string | null; hash: string | null } | null;
    /** Remove an object; one that is not there is fine. */
    delete(key: string): void;
    /** All objects whose keys begin with a prefix, by key; more than 10 000 are too many. */
    list(prefix?: string): ({ key: string; path: string; mime: string; size: number; updatedAt: number; cid: string | null; hash: string | null })[];
    /** Some of the objects, by key. With a delimiter, keys that share their beginning up to it are one prefix. */
    listPage(prefix?: string, options?: { limit?: number; cursor?: string | null; delimiter?: string | null }): { items: ({ key: string; path: string; mime: string; size: number; updatedAt: number; cid: string | null; hash: string | null })[]; prefixes: string[]; cursor: string | null };
  };
  readonly vector: {
    /** Make a collection for vectors of so many numbers, or of what a model makes; `model` is `embedding_model`. */
    createCollection(name: string, options?: { embeddingModel?: string | null; model?: string | null; dimensions?: number | null; metadata?: any }): { name: string; documentCount: number; dimensions: number | null; embeddingModel: string | null; metadata: any };
    /** What is known of a collection; null when there is none. */
    getCollection(name: string): { name: string; documentCount: number; dimensions: number | null; embeddingModel: string | null; metadata: any } | null;
    /** The app's collections of vectors by name. */
    listCollections(): ({ name: string; documentCount: number; dimensions: number | null; embeddingModel: string | null; metadata: any })[];
    /** Say something else of a collection. */
    updateCollection(name: string, options: { metadata: any }): void;
    /** Delete a collection with all of its documents. */
    deleteCollection(name: string): void;
    /** Delete all documents of a collection. */
    clear(name: string): void;
    /** How many documents a collection has. */
    count(name: string): number;
    /** Store documents, each under its id or a new one; what has the id already is replaced. The answer is the ids. */
    addDocuments(name: string, documents: ({ id?: string; pageContent: string; metadata?: Record<string, any>; embedding?: number[] | Float32Array | Float64Array })[], options?: { concurrency?: number; batchSize?: number }): Promise<string[]>;
    /** One document with its vector; null when there is none. */
    get(name: string, id: string): { id: string; pageContent: string; metadata: any; embedding: number[] } | null;
    /** Documents by id, without their vectors. */
    list(name: string, options?: { limit?: number; offset?: number }): { id: string; pageContent: string; metadata: any }[];
    /** The ids of all documents of a collection. */
    listIds(name: string): string[];
    /** The documents whose metadata are so, by id, without their vectors. */
    getByMetadata(name: string, where: any): { id: string; pageContent: string; metadata: any }[];
    /** Delete a document; the answer is how many there were. */
    delete(name: string, id: string): number;
    /** Delete documents; the answer is how many there were. */
    deleteMany(name: string, ids: string[]): number;
    /** Delete the documents whose metadata are so; the answer is how many there were. `{}` means all of them. */
    deleteByMetadata(name: string, where: any): number;
    /** The documents nearest to a vector, with the cosine as their score, best first; ties by id. */
    queryEmbedding(name: string, vector: number[] | Float32Array | Float64Array, options?: { limit?: number; where?: any; whereContent?: { contains?: string | null; notContains?: string | null } | null; threshold?: number | null }): { id: string; pageContent: string; metadata: any; score: number }[];
    /** The documents nearest to a text, with the cosine as their score, best first; ties by id. */
    query(name: string, text: string, options?: { limit?: number; where?: any; whereContent?: { contains?: string | null; notContains?: string | null } | null; threshold?: number | null }): Promise<{ id: string; pageContent: string; metadata: any; score: number }[]>;
  };
}

declare const fazt: FaztGuest & {
  readonly storage: FaztStorage;
  readonly app: Pick<FaztStorage, "kv" | "ds" | "s3"> & { readonly user: Pick<FaztStorage, "kv" | "ds" | "s3"> };
};
