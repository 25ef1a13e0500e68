type Note = { id: string; text: string; at: number };

const notes = fazt.storage.kv;
const key = (id: string) => `note:${id}`;
const problem = (status: number, error: string) => Response.json({ error }, { status });

async function create(request: Request): Promise<Response> {
  const { text } = await request.json().catch(() => ({}));
  if (typeof text !== "string" || !text.trim() || text.length > 1000) return problem(400, "text: 1 to 1000 characters");
  const note: Note = { id: crypto.randomUUID(), text, at: Date.now() };
  notes.set(key(note.id), note);
  return Response.json(note, { status: 201, headers: { Location: `/api/notes/${note.id}` } });
}

export default {
  async fetch(request: Request): Promise<Response> {
    const [, , what, id] = new URL(request.url).pathname.split("/");
    if (what !== "notes") return problem(404, "nothing is here");
    if (!id && request.method === "GET") return Response.json(notes.list("note:").map((entry) => entry.value as Note));
    if (!id) return request.method === "POST" ? create(request) : problem(405, "GET or POST");
    const note: Note | undefined = notes.get(key(id));
    if (!note) return problem(404, `there is no note ${id}`);
    if (request.method === "GET") return Response.json(note);
    if (request.method !== "DELETE") return problem(405, "GET or DELETE");
    notes.delete(key(id));
    return new Response(null, { status: 204 });
  },
};
