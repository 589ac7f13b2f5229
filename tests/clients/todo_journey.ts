// A todo from post to delete, through the generated TypeScript client: `todo_journey.js API ID_TOKEN`.
import assert from "node:assert/strict";
import { argv } from "node:process";
import { createClient } from "todo-app-client";

const [baseUrl, token] = argv.slice(2);
const client = createClient({ baseUrl, headers: { Authorization: token } });

const created = await client.POST("/todos", {
  body: { title: "Milk", notes: "2 l", due: "2030-01-31", priority: "high", tags: ["home"] },
});
const todo = created.data;
assert(todo, JSON.stringify(created.error));
assert.deepEqual([todo.title, todo.due, todo.priority, todo.done], ["Milk", "2030-01-31", "high", false]);

const path = { todo_id: todo.id };
const got = await client.GET("/todos/{todo_id}", { params: { path } });
assert.deepEqual(got.data, todo);
const etag = got.response.headers.get("ETag") ?? undefined;
const known = await client.GET("/todos/{todo_id}", { params: { path, header: { "If-None-Match": etag } } });
assert.equal(known.response.status, 304);

const done = { done: true, due: null };
const changed = await client.PATCH("/todos/{todo_id}", { params: { path, header: { "If-Match": etag } }, body: done });
assert(changed.data, JSON.stringify(changed.error));
assert.deepEqual([changed.data.done, changed.data.due, changed.data.version], [true, null, 2]);
const stale = await client.PATCH("/todos/{todo_id}", { params: { path, header: { "If-Match": etag } }, body: done });
assert.equal(stale.error?.Code, "PreconditionFailed");

const page = await client.GET("/todos", { params: { query: { done: true } } });
assert.deepEqual(page.data?.items, [changed.data]);

const removed = await client.DELETE("/todos/{todo_id}", { params: { path } });
assert.equal(removed.response.status, 204);
const missing = await client.GET("/todos/{todo_id}", { params: { path } });
assert.equal(missing.error?.Code, "NotFound");
