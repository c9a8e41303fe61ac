// One line of JSON in ({feature, prompt, …}), one line of JSON out ({value} or {error}).
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

export const url = process.env.GATEWAY_URL;
export const key = process.env.GATEWAY_KEY;

export const CITY = {
  type: "object",
  properties: { name: { type: "string" }, people: { type: "integer" } },
  required: ["name", "people"],
  additionalProperties: false,
};
export const PLACE = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const WEATHER = "get_weather";
export const ABOUT = "The weather in a city.";

export function version(name) {
  const pins = JSON.parse(readFileSync(new URL("./package.json", import.meta.url)));
  return `${name} ${pins.dependencies[name]}`;
}

/** The picture that is asked about, as a URL. */
export const dataUrl = ({ image }) => `data:image/png;base64,${image}`;

/** What `act` is refused with. */
export async function refusal(act) {
  try {
    await act();
  } catch (error) {
    const cause = error.lastError ?? error;
    return { status: cause.status ?? cause.statusCode ?? null, message: String(cause.message) };
  }
  return { status: 200, message: "" };
}

/** Serve the features until standard input ends. */
export async function serve(versions, features) {
  process.stdout.write(`${JSON.stringify({ value: versions })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
      answer = { value: await features[asked.feature](asked) };
    } catch (error) {
      answer = { error: String(error?.stack ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
