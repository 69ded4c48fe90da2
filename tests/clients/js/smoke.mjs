// openai-node against one base URL, in front of the scripted models `alpha` (everything) and `beta` (tool calls).
//   node smoke.mjs http://127.0.0.1:PORT/v1
// Prints one JSON object: the name of each check, and null or what went wrong.
import assert from 'node:assert/strict'
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'none', maxRetries: 0, timeout: 60_000 })
const chat = client.chat.completions
const user = (content) => [{ role: 'user', content }]
const count = Array.from({ length: 200 }, (_, i) => 'c' + String(i + 1).padStart(3, '0')).join(' ')
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

const checks = {
  async answer() {
    const answer = await chat.create({ model: 'auto', messages: user('Good morning!') })
    assert.equal(answer.choices[0].message.content, 'Hello from alpha, a tiny local model.')
    assert.ok(answer.usage.completion_tokens >= 5)
  },
  async stream() {
    let text = ''
    let usage = null
    const options = { stream: true, stream_options: { include_usage: true } }
    for await (const chunk of await chat.create({ model: 'auto', messages: user('count'), ...options })) {
      text += chunk.choices[0]?.delta?.content ?? ''
      usage = chunk.usage ?? usage
    }
    assert.equal(text.trim(), count)
    assert.ok(usage.completion_tokens >= 200)
  },
  async 'tool call and result'() {
    const asked = await chat.create({ model: 'zoe-action', messages: user('weather?'), tools: [weather] })
    const message = asked.choices[0].message
    const call = message.tool_calls[0]
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' })
    const result = { role: 'tool', tool_call_id: call.id, content: 'sunny' }
    const messages = [...user('weather?'), message, result]
    const told = await chat.create({ model: 'zoe-action', messages, tools: [weather] })
    assert.equal(told.choices[0].message.content, 'The tool says it is sunny')
  },
  async 'stream helper'() {
    const stream = chat.stream({ model: 'auto', messages: user('weather?'), tools: [weather] })
    const final = await stream.finalChatCompletion()
    assert.equal(final.choices[0].message.tool_calls[0].function.name, 'get_weather')
  },
  async leaving() {
    const leave = new AbortController()
    const request = { model: 'auto', messages: user('loop'), stream: true, max_tokens: 1500 }
    let chunks = 0
    for await (const _ of await chat.create(request, { signal: leave.signal })) {
      if (++chunks === 5) leave.abort()
    }
    assert.ok(chunks < 1500)
  },
  async models() {
    const names = []
    for await (const model of client.models.list()) names.push(model.id)
    for (const name of ['auto', 'chat', 'zoe-action', 'alpha', 'beta']) assert.ok(names.includes(name), name)
  },
  async 'unknown model'() {
    await assert.rejects(chat.create({ model: 'alpah', messages: user('Good morning!') }), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError)
      assert.match(error.message, /alpha/)
      return true
    })
  },
  async headers() {
    const { response } = await chat.create({ model: 'chat', messages: user('Good morning!') }).withResponse()
    assert.equal(response.headers.get('x-waypost-deployment'), 'alpha')
    for (const name of ['x-waypost-task', 'x-waypost-decision']) assert.ok(response.headers.get(name), name)
  },
}

const outcomes = {}
for (const [name, check] of Object.entries(checks)) {
  outcomes[name] = await check().then(
    () => null,
    (error) => String(error).slice(0, 500),
  )
}
console.log(JSON.stringify(outcomes))
