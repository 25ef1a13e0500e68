// Generated from the registry by `fazt surface --types`. Do not edit.

declare const fazt: {
  storage: {
    kv: {
      /** The value under a key; undefined when there is none or it has expired. */
      get(key: string): any | undefined;
      /** Store a value; with a ttl it vanishes by itself. */
      set(key: string, value: any, ttl?: number | string | null): void;
      /** Remove a key; one that is not there is fine. */
      delete(key: string): void;
      /** Entries by prefix, in key order; meta.next continues where the page ends. */
      list(prefix?: string, options?: { limit?: number; after?: string | null }): { key: string; value: any; expiresAt?: number | null }[];
    };
  };
};
