import Anthropic from "@anthropic-ai/sdk";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";
import { ABOUT, CITY, PLACE, WEATHER, key, refusal, serve, url, version } from "./driver.mjs";

const client = new Anthropic({ baseURL: url, apiKey: key });
const tools = [{ name: WEATHER, description: ABOUT, input_schema: PLACE }];
const thinking = { type: "enabled", budget_tokens: 1024 };

function body({ model, prompt }, more = {}) {
  return { model, max_tokens: 4000, messages: [{ role: "user", content: prompt }], ...more };
}

function shape(message) {
  const join = (type, field) =>
    message.content
      .filter((block) => block.type === type)
      .map((block) => block[field])
      .join("");
  return {
    text: join("text", "text"),
    reasoning: join("thinking", "thinking"),
    input: message.usage.input_tokens,
    output: message.usage.output_tokens,
  };
}

async function twoTurns(asked, ask) {
  const given = body(asked, { tools });
  const first = await ask(given);
  const calls = first.content.filter((block) => block.type === "tool_use");
  const results = calls.map((call) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: asked.result,
  }));
  const second = await ask({
    ...given,
    messages: [
      ...given.messages,
      { role: "assistant", content: first.content },
      { role: "user", content: results },
    ],
  });
  return { calls: calls.map((call) => [call.name, call.input]), text: shape(second).text };
}

const create = (given) => client.messages.create(given);
const stream = (given) => client.messages.stream(given);

async function streamed(given) {
  let pieces = 0;
  const events = stream(given);
  events.on("text", () => (pieces += 1));
  return { ...shape(await events.finalMessage()), pieces };
}

await serve([version("@anthropic-ai/sdk")], {
  whole: async (asked) => shape(await create(body(asked))),
  streamed: (asked) => streamed(body(asked)),
  tools: (asked) => twoTurns(asked, create),
  tools_streamed: (asked) => twoTurns(asked, (given) => stream(given).finalMessage()),
  reasoning: async (asked) => shape(await create(body(asked, { thinking }))),
  reasoning_streamed: (asked) => streamed(body(asked, { thinking })),
  async structured(asked) {
    const output_config = { format: jsonSchemaOutputFormat(CITY) };
    return (await client.messages.parse(body(asked, { output_config }))).parsed_output;
  },
  async image(asked) {
    const content = [
      { type: "image", source: { type: "base64", media_type: "image/png", data: asked.image } },
      { type: "text", text: asked.prompt },
    ];
    return shape(await create(body(asked, { messages: [{ role: "user", content }] })));
  },
  unknown_model: (asked) => refusal(() => create(body(asked))),
  wrong_key: (asked) =>
    refusal(() => client.withOptions({ apiKey: "sk-wrong" }).messages.create(body(asked))),
  async cancelled(asked) {
    const events = await create(body(asked, { stream: true }));
    for await (const event of events) {
      if (event.type === "content_block_delta") events.controller.abort();
    }
    return events.controller.signal.aborted;
  },
  broken: (asked) => refusal(() => stream(body(asked)).finalMessage()),
  retried: async (asked) => shape(await create(body(asked))),
  hopeless: (asked) => refusal(() => create(body(asked))),
});
