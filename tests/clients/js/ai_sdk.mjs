// Vercel's AI SDK with its provider for OpenAI-compatible servers against one base URL.
//   node ai_sdk.mjs http://127.0.0.1:PORT/v1 MODEL NAME
// MODEL is what is asked for, NAME what the scripted model calls itself. Prints one JSON object: the name of each check, and null
// or what went wrong.
import assert from 'node:assert/strict'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'

const [baseURL, id, name] = process.argv.slice(2)
const model = createOpenAICompatible({ name: 'here', baseURL, apiKey: 'none', includeUsage: true })(id)
const count = Array.from({ length: 200 }, (_, i) => 'c' + String(i + 1).padStart(3, '0')).join(' ')

const checks = {
  async answer() {
    const { text } = await generateText({ model, prompt: 'hi', maxRetries: 0 })
    assert.equal(text, `Hello from ${name}, a tiny local model.`)
  },
  async stream() {
    const stream = streamText({ model, prompt: 'count', maxRetries: 0 })
    let text = ''
    for await (const piece of stream.textStream) text += piece
    assert.equal(text.trim(), count)
    assert.ok((await stream.usage).outputTokens >= 200)
    assert.equal(await stream.finishReason, 'stop')
  },
  async reasoning() {
    const stream = streamText({ model, prompt: 'think', maxRetries: 0 })
    assert.equal((await stream.reasoningText).trim(), 'The user wants some thought.')
    assert.equal((await stream.text).trim(), 'I thought about it; the answer is 42')
  },
  async 'tool loop'() {
    const cities = []
    const inputSchema = jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] })
    const execute = async ({ city }) => {
      cities.push(city)
      return 'sunny'
    }
    const tools = { get_weather: tool({ description: 'The weather of a city', inputSchema, execute }) }
    const { text } = await generateText({ model, prompt: 'weather?', maxRetries: 0, stopWhen: stepCountIs(3), tools })
    assert.deepEqual(cities, ['Paris'])
    assert.match(text, /sunny/)
  },
}

const outcomes = {}
for (const [check, run] of Object.entries(checks)) {
  outcomes[check] = await run().then(
    () => null,
    (error) => String(error).slice(0, 500),
  )
}
console.log(JSON.stringify(outcomes))
