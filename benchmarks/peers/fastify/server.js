// The peer on Node.js, as the documentation of Fastify, postgres.js, @fastify/multipart and sharp has it: schemas for
// requests and answers, tagged templates, plugins. With TOKEN, it has the duties of a service too: a bearer token, request
// IDs, a log of the requests, and metrics.

import cluster from 'node:cluster'
import { createHash } from 'node:crypto'
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import bearerAuth from '@fastify/bearer-auth'
import multipart from '@fastify/multipart'
import files from '@fastify/static'
import Fastify from 'fastify'
import metrics from 'fastify-metrics'
import postgres from 'postgres'
import sharp from 'sharp'

const { STORAGE, TOKEN } = process.env
const WORKERS = Number(process.env.WORKERS ?? 1)
const MEDIA_TYPES = {
  jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp', gif: 'image/gif', tiff: 'image/tiff', heif: 'image/avif'
}

const sql = postgres({ path: process.env.PGSOCKET, database: process.env.PGDATABASE, username: 'postgres', max: 10 })
const columns = sql`
  id, filename, content_type, byte_size, width, height, encode(content_sha256, 'hex') as sha256, title, description, tags,
  attributes, created_at, updated_at, color, encode(thumbhash, 'base64') as thumbhash, capture, location`

const fastify = Fastify({ logger: Boolean(TOKEN), requestIdHeader: 'x-request-id' })
if (TOKEN) {
  await fastify.register(metrics, { endpoint: '/metrics' })
  await fastify.register(bearerAuth, { keys: new Set([TOKEN]) })
  fastify.addHook('onRequest', async (request, reply) => { reply.header('x-request-id', request.id) })
}
fastify.register(files, { root: STORAGE, serve: false })
fastify.register(multipart, { limits: { fileSize: 50 * 1024 * 1024 } })

fastify.addSchema({
  $id: 'image',
  type: 'object',
  properties: {
    id: { type: 'string' },
    filename: { type: 'string' },
    content_type: { type: 'string' },
    byte_size: { type: 'integer' },
    width: { type: 'integer' },
    height: { type: 'integer' },
    sha256: { type: 'string' },
    title: { type: 'string', nullable: true },
    description: { type: 'string', nullable: true },
    tags: { type: 'array', items: { type: 'string' } },
    attributes: { type: 'object', additionalProperties: true },
    created_at: { type: 'string', format: 'date-time' },
    updated_at: { type: 'string', format: 'date-time' },
    color: { type: 'string', nullable: true },
    thumbhash: { type: 'string', nullable: true },
    capture: { type: 'object', additionalProperties: true, nullable: true },
    location: { type: 'object', additionalProperties: true, nullable: true }
  }
})

const params = { type: 'object', properties: { id: { type: 'string', format: 'uuid' } } }
const image = { $ref: 'image#' }

fastify.get('/v1/images', {
  schema: {
    querystring: {
      type: 'object',
      properties: {
        limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
        cursor: { type: 'string', format: 'uuid' },
        created_before: { type: 'string', format: 'date-time' }
      }
    },
    response: {
      200: {
        type: 'object',
        properties: { images: { type: 'array', items: image }, next: { type: 'string', nullable: true } }
      }
    }
  }
}, async (request) => {
  const { limit, cursor, created_before: before } = request.query
  const images = await sql`
    select ${columns}
    from images
    where true
    ${cursor ? sql`and (created_at, id) < (select created_at, id from images where id = ${cursor})` : sql``}
    ${before ? sql`and created_at < ${before}` : sql``}
    order by created_at desc, id desc
    limit ${limit + 1}`
  const page = images.slice(0, limit)
  return { images: page, next: images.length > limit ? page[limit - 1].id : null }
})

fastify.get('/v1/images/:id', { schema: { params, response: { 200: image } } }, async (request, reply) => {
  const [found] = await sql`select ${columns} from images where id = ${request.params.id}`
  return found ?? reply.code(404).send()
})

fastify.patch('/v1/images/:id', {
  schema: {
    params,
    body: {
      type: 'object',
      minProperties: 1,
      additionalProperties: false,
      properties: {
        title: { type: 'string', maxLength: 200, nullable: true },
        description: { type: 'string', maxLength: 10000, nullable: true },
        tags: { type: 'array', items: { type: 'string' } }
      }
    },
    response: { 200: image }
  }
}, async (request, reply) => {
  const [updated] = await sql`
    update images
    set ${sql(request.body)}, updated_at = now()
    where id = ${request.params.id}
    returning ${columns}`
  return updated ?? reply.code(404).send()
})

fastify.post('/v1/images', { schema: { response: { 200: image, 201: image } } }, async (request, reply) => {
  const file = await request.file()
  const content = await file.toBuffer()
  const contentSha256 = createHash('sha256').update(content).digest()
  const [known] = await sql`select ${columns} from images where content_sha256 = ${contentSha256}`
  if (known) return known
  const { format, autoOrient } = await sharp(content).metadata()
  try { // The thumbnail is for the check that the whole picture can be decoded: JPEG at an eighth of its size.
    await sharp(content).resize(64, 64, { fit: 'inside' }).raw().toBuffer()
  } catch {
    return reply.code(422).send()
  }
  const key = contentSha256.toString('hex')
  await writeFile(join(STORAGE, key), content, { flush: true })
  const row = {
    filename: file.filename,
    content_type: MEDIA_TYPES[format],
    byte_size: content.length,
    width: autoOrient.width,
    height: autoOrient.height,
    content_sha256: contentSha256,
    own_key: key,
    title: file.fields.title?.value ?? null
  }
  const [created] = await sql`insert into images ${sql(row)} returning ${columns}`
  return reply.code(201).send(created)
})

const find = async (id) => {
  const [found] = await sql`select encode(content_sha256, 'hex') as key, content_type from images where id = ${id}`
  return found
}

fastify.get('/v1/images/:id/content', { schema: { params } }, async (request, reply) => {
  const found = await find(request.params.id)
  if (!found) return reply.code(404).send()
  return reply.type(found.content_type).sendFile(found.key, { contentType: false })
})

const thumbnailQuery = { type: 'object', properties: { size: { type: 'integer', default: 320 } } }
fastify.get('/v1/images/:id/thumbnail', { schema: { params, querystring: thumbnailQuery } }, async (request, reply) => {
  const { size } = request.query
  const found = await find(request.params.id)
  if (!found) return reply.code(404).send()
  const name = `${found.key}-${size}.webp`
  try {
    await access(join(STORAGE, name))
  } catch {
    await sharp(join(STORAGE, found.key))
      .autoOrient()
      .resize(size, size, { fit: 'inside', withoutEnlargement: true })
      .webp()
      .toFile(join(STORAGE, name))
  }
  return reply.type('image/webp').sendFile(name, { contentType: false })
})

if (cluster.isPrimary && WORKERS > 1) {
  for (let number = 0; number < WORKERS; number++) cluster.fork()
} else {
  await fastify.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
}
