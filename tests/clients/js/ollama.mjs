// ollama-js against one root URL, in front of the scripted models `alpha` (everything) and `beta` (tool calls).
//   node ollama.mjs http://127.0.0.1:PORT
// Prints one JSON object: the name of each check, and null or what went wrong.
import assert from 'node:assert/strict'
import { Ollama } from 'ollama'

const client = new Ollama({ host: process.argv[2] })
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
  async lists() {
    const { models } = await client.list()
    assert.ok(models.some((model) => model.name === 'auto:latest'))
    assert.deepEqual((await client.show({ model: 'auto' })).capabilities, ['completion', 'tools'])
    assert.ok((await client.ps()).models.length >= 2)
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/)
  },
  async answer() {
    const answer = await client.chat({ model: 'auto', messages: user('Good morning!'), keep_alive: -1, options: { num_ctx: 4096 } })
    assert.equal(answer.message.content, 'Hello from alpha, a tiny local model.')
    assert.equal(answer.done_reason, 'stop')
  },
  async stream() {
    let text = ''
    let last = null
    for await (const part of await client.chat({ model: 'auto', messages: user('count'), stream: true })) {
      text += part.message.content
      last = part
    }
    assert.equal(text.trim(), count)
    assert.ok(last.done && last.eval_count >= 200)
  },
  async 'tool call and result'() {
    const asked = await client.chat({ model: 'zoe-action', messages: user('weather?'), tools: [weather] })
    assert.deepEqual(asked.message.tool_calls[0].function.arguments, { city: 'Paris' })
    const result = { role: 'tool', tool_name: 'get_weather', content: 'sunny' }
    const told = await client.chat({ model: 'zoe-action', messages: [...user('weather?'), asked.message, result], tools: [weather] })
    assert.equal(told.message.content, 'The tool says it is sunny')
  },
  async thinking() {
    const said = await client.chat({ model: 'auto', messages: user('think'), think: true })
    assert.ok(said.message.thinking && said.message.content)
  },
  async generate() {
    assert.equal((await client.generate({ model: 'auto', prompt: 'hi' })).response, 'Hello from alpha, a tiny local model.')
  },
  async pull() {
    assert.equal((await client.pull({ model: 'auto' })).status, 'success')
    await assert.rejects(client.pull({ model: 'llama3.2' }), /not found/)
  },
  async errors() {
    await assert.rejects(client.chat({ model: 'nope', messages: user('hi') }), /model 'nope' not found/)
    await assert.rejects(client.chat({ model: 'nope', messages: user('hi'), stream: true }), /not found/)
    await assert.rejects(client.delete({ model: 'alpha' }), /left to the engines/)
  },
  async leaving() {
    const stream = await client.chat({ model: 'auto', messages: user('loop'), stream: true, options: { num_predict: 1500 } })
    let parts = 0
    await assert.rejects(async () => {
      for await (const _ of stream) if (++parts === 5) stream.abort()
    }, { name: 'AbortError' })
    assert.ok(parts < 1500)
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
