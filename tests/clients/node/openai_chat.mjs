import OpenAI from "openai";
import { ABOUT, CITY, PLACE, WEATHER, dataUrl, key, refusal, serve, url, version } from "./driver.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const tools = [
  { type: "function", function: { name: WEATHER, description: ABOUT, parameters: PLACE } },
];

function body({ model, prompt }, more = {}) {
  return { model, messages: [{ role: "user", content: prompt }], ...more };
}

function shape(completion) {
  const { message } = completion.choices[0];
  return {
    text: message.content,
    reasoning: message.reasoning_content ?? "",
    input: completion.usage.prompt_tokens,
    output: completion.usage.completion_tokens,
  };
}

async function twoTurns(asked, ask) {
  const given = body(asked, { tools });
  const first = (await ask(given)).choices[0].message;
  const results = first.tool_calls.map((call) => ({
    role: "tool",
    tool_call_id: call.id,
    content: asked.result,
  }));
  const second = await ask({ ...given, messages: [...given.messages, first, ...results] });
  return {
    calls: first.tool_calls.map((c) => [c.function.name, JSON.parse(c.function.arguments)]),
    text: second.choices[0].message.content,
  };
}

const create = (given) => client.chat.completions.create(given);
const stream = (given) => client.chat.completions.stream(given);

await serve([version("openai")], {
  whole: async (asked) => shape(await create(body(asked))),
  async streamed(asked) {
    let pieces = 0;
    const events = stream(body(asked, { stream_options: { include_usage: true } }));
    events.on("content", () => (pieces += 1));
    return { ...shape(await events.finalChatCompletion()), pieces };
  },
  tools: (asked) => twoTurns(asked, create),
  tools_streamed: (asked) => twoTurns(asked, (given) => stream(given).finalChatCompletion()),
  reasoning: async (asked) => shape(await create(body(asked))),
  async reasoning_streamed(asked) {
    let reasoning = "";
    let text = "";
    for await (const chunk of await create(body(asked, { stream: true }))) {
      reasoning += chunk.choices[0]?.delta.reasoning_content ?? "";
      text += chunk.choices[0]?.delta.content ?? "";
    }
    return { reasoning, text };
  },
  async structured(asked) {
    const json_schema = { name: "city", schema: CITY, strict: true };
    const response_format = { type: "json_schema", json_schema };
    const answer = await client.chat.completions.parse(body(asked, { response_format }));
    return answer.choices[0].message.parsed;
  },
  async image(asked) {
    const content = [
      { type: "text", text: asked.prompt },
      { type: "image_url", image_url: { url: dataUrl(asked) } },
    ];
    return shape(await create(body(asked, { messages: [{ role: "user", content }] })));
  },
  unknown_model: (asked) => refusal(() => create(body(asked))),
  wrong_key: (asked) =>
    refusal(() => client.withOptions({ apiKey: "sk-wrong" }).chat.completions.create(body(asked))),
  async cancelled(asked) {
    const events = await create(body(asked, { stream: true }));
    for await (const chunk of events) {
      if (chunk.choices[0]?.delta.content) events.controller.abort();
    }
    return events.controller.signal.aborted;
  },
  broken: (asked) => refusal(() => stream(body(asked)).finalChatCompletion()),
  retried: async (asked) => shape(await create(body(asked))),
  hopeless: (asked) => refusal(() => create(body(asked))),
});
