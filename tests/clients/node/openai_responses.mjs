import OpenAI from "openai";
import { ABOUT, CITY, PLACE, WEATHER, dataUrl, key, refusal, serve, url, version } from "./driver.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const tools = [
  { type: "function", name: WEATHER, description: ABOUT, parameters: PLACE, strict: true },
];

function body({ model, prompt }, more = {}) {
  return { model, input: prompt, ...more };
}

function shape(response) {
  const thoughts = response.output.filter((item) => item.type === "reasoning");
  return {
    text: response.output_text,
    reasoning: thoughts.flatMap((item) => item.summary.map((part) => part.text)).join(""),
    input: response.usage.input_tokens,
    output: response.usage.output_tokens,
  };
}

async function twoTurns(asked, ask) {
  const first = await ask(body(asked, { tools }));
  const calls = first.output.filter((item) => item.type === "function_call");
  const input = calls.map((call) => ({
    type: "function_call_output",
    call_id: call.call_id,
    output: asked.result,
  }));
  const second = await ask({ model: asked.model, tools, input, previous_response_id: first.id });
  return {
    calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    text: second.output_text,
  };
}

const create = (given) => client.responses.create(given);
const stream = (given) => client.responses.stream(given);

async function streamed(given) {
  let pieces = 0;
  const events = stream(given);
  events.on("response.output_text.delta", () => (pieces += 1));
  return { ...shape(await events.finalResponse()), pieces };
}

await serve([version("openai")], {
  whole: async (asked) => shape(await create(body(asked))),
  streamed: (asked) => streamed(body(asked)),
  tools: (asked) => twoTurns(asked, create),
  tools_streamed: (asked) => twoTurns(asked, (given) => stream(given).finalResponse()),
  reasoning: async (asked) => shape(await create(body(asked, { reasoning: { summary: "auto" } }))),
  reasoning_streamed: (asked) => streamed(body(asked, { reasoning: { summary: "auto" } })),
  async structured(asked) {
    const format = { type: "json_schema", name: "city", schema: CITY, strict: true };
    const answer = await client.responses.parse(body(asked, { text: { format } }));
    return answer.output_parsed;
  },
  async image(asked) {
    const content = [
      { type: "input_text", text: asked.prompt },
      { type: "input_image", detail: "auto", image_url: dataUrl(asked) },
    ];
    return shape(await create(body(asked, { input: [{ role: "user", content }] })));
  },
  unknown_model: (asked) => refusal(() => create(body(asked))),
  wrong_key: (asked) =>
    refusal(() => client.withOptions({ apiKey: "sk-wrong" }).responses.create(body(asked))),
  async cancelled(asked) {
    const events = await create(body(asked, { stream: true }));
    for await (const event of events) {
      if (event.type === "response.output_text.delta") events.controller.abort();
    }
    return events.controller.signal.aborted;
  },
  async broken(asked) {
    const response = await stream(body(asked)).finalResponse();
    return { status: response.status, message: response.error.message };
  },
  retried: async (asked) => shape(await create(body(asked))),
  hopeless: (asked) => refusal(() => create(body(asked))),
});
