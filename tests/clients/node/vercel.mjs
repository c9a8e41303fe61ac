// The Vercel AI SDK; the argument says which of the APIs its provider speaks.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { Output, generateText, jsonSchema, streamText, tool } from "ai";
import { z } from "zod";
import { ABOUT, PLACE, WEATHER, key, refusal, serve, url, version } from "./driver.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const api = process.argv[2];
const isAnthropic = api === "messages";
const provider = isAnthropic ? "@ai-sdk/anthropic" : "@ai-sdk/openai";

function open(apiKey) {
  const baseURL = `${url}/v1`;
  if (isAnthropic) return createAnthropic({ baseURL, apiKey });
  const openai = createOpenAI({ baseURL, apiKey });
  return api === "chat" ? openai.chat : openai.responses;
}

const thinking = {
  openai: { reasoningSummary: "auto", forceReasoning: true },
  anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
};

function body({ model, prompt }, more = {}) {
  return { model: open(key)(model), prompt, maxOutputTokens: 4000, ...more };
}

const isSeen = { onError() {} };

function shape(result) {
  return {
    text: result.text,
    reasoning: result.reasoningText ?? "",
    input: result.usage.inputTokens,
    output: result.usage.outputTokens,
  };
}

async function streamed(given) {
  const result = streamText(given);
  let pieces = 0;
  for await (const part of result.textStream) pieces += part ? 1 : 0;
  const [text, reasoningText, usage] = await Promise.all([
    result.text,
    result.reasoningText,
    result.usage,
  ]);
  return { ...shape({ text, reasoningText, usage }), pieces };
}

async function twoTurns(asked, ask) {
  const calls = [];
  const weather = tool({
    description: ABOUT,
    inputSchema: jsonSchema(PLACE),
    async execute(input) {
      calls.push([WEATHER, input]);
      return asked.result;
    },
  });
  const stopWhen = ({ steps }) => steps.length >= 2;
  const text = await ask(body(asked, { tools: { [WEATHER]: weather }, stopWhen }));
  return { calls, text };
}

await serve([version("ai"), version(provider)], {
  whole: async (asked) => shape(await generateText(body(asked))),
  streamed: (asked) => streamed(body(asked)),
  tools: (asked) => twoTurns(asked, async (given) => (await generateText(given)).text),
  tools_streamed: (asked) => twoTurns(asked, (given) => streamText(given).text),
  reasoning: async (asked) =>
    shape(await generateText(body(asked, { providerOptions: thinking }))),
  reasoning_streamed: (asked) => streamed(body(asked, { providerOptions: thinking })),
  async structured(asked) {
    const schema = z.object({ name: z.string(), people: z.number().int() });
    return (await generateText(body(asked, { output: Output.object({ schema }) }))).output;
  },
  async image(asked) {
    const content = [
      { type: "text", text: asked.prompt },
      { type: "file", mediaType: "image/png", data: asked.image },
    ];
    return shape(await generateText(body(asked, { prompt: [{ role: "user", content }] })));
  },
  unknown_model: (asked) => refusal(() => generateText(body(asked))),
  wrong_key: (asked) =>
    refusal(() => generateText({ ...body(asked), model: open("sk-wrong")(asked.model) })),
  async cancelled(asked) {
    const leaving = new AbortController();
    const result = streamText(body(asked, { abortSignal: leaving.signal, ...isSeen }));
    for await (const part of result.stream) {
      if (part.type === "text-delta") leaving.abort();
    }
    return leaving.signal.aborted;
  },
  async broken(asked) {
    for await (const part of streamText(body(asked, isSeen)).stream) {
      if (part.type === "error") {
        return { status: null, message: String(part.error?.message ?? JSON.stringify(part.error)) };
      }
    }
    return { status: 200, message: "" };
  },
  retried: async (asked) => shape(await generateText(body(asked))),
  hopeless: (asked) => refusal(() => generateText(body(asked))),
});
