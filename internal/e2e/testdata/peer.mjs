// Drives one server with the TypeScript client and prints what it saw as one JSON
// object, a line a step.
//
// usage: node peer.mjs URL ERA STEPS
// ERA: legacy | auto | modern; STEPS: JSON array of [name, method, ...arguments]
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url, era, steps] = process.argv.slice(2);
const mode = era === 'modern' ? { pin: '2026-07-28' } : era;
const client = new Client(
  { name: 'e2e', version: '1' },
  { capabilities: { sampling: {}, elicitation: {}, roots: {} }, versionNegotiation: { mode } },
);

const asked = [];
client.setRequestHandler('sampling/createMessage', async () => {
  asked.push('sampling/createMessage');
  return { model: 'none', role: 'assistant', content: { type: 'text', text: 'sampled here' } };
});
client.setRequestHandler('elicitation/create', async () => {
  asked.push('elicitation/create');
  return { action: 'accept', content: { name: 'Ada', username: 'ada', email: 'ada@example.com' } };
});
client.setRequestHandler('roots/list', async () => {
  asked.push('roots/list');
  return { roots: [{ uri: 'file:///srv/e2e', name: 'e2e' }] };
});

const names = (key, name) => async () => (await client[`list${key}`]())[name].map((x) => x.name ?? x.uriTemplate);
const run = {
  era: async () => client.getProtocolEra() + ' ' + client.getNegotiatedProtocolVersion(),
  server: async () => client.getServerVersion().name,
  tools: names('Tools', 'tools'),
  prompts: names('Prompts', 'prompts'),
  templates: names('ResourceTemplates', 'resourceTemplates'),
  resources: async () => (await client.listResources()).resources.map((r) => r.uri),
  read: async (uri) => (await client.readResource({ uri })).contents,
  prompt: async (name, args) => (await client.getPrompt({ name, arguments: args })).messages,
  call: async (name, args) => {
    const r = await client.callTool({ name, arguments: args });
    return r.isError ? { isError: true, content: r.content } : r.content;
  },
  progress: async (name, args) => {
    const seen = [];
    const r = await client.callTool({ name, arguments: args }, { onprogress: (p) => seen.push(p.progress) });
    return { seen, content: r.content };
  },
  asked: async () => [...new Set(asked)].sort(),
};

await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const saw = {};
for (const [name, step, ...args] of JSON.parse(steps)) {
  try {
    saw[name] = await run[step](...args);
  } catch (e) {
    saw[name] = { error: e.constructor.name, code: e.code, message: e.message, data: e.data };
  }
}
await client.close();
console.log(JSON.stringify(saw));
process.exit(0);
