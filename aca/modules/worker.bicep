// The workers: they run the tools and accept no connections. Their number follows the work that waits in Redis.

param location string
param name string
param environmentId string
param identityId string
param registryServer string
param image string
param redisName string
@secure()
param envelopeKey string
param concurrency int
param minReplicas int
param maxReplicas int
param drainSeconds int

// As shared/redis_bus/src/wire/keys.rs spells them, with the default prefix.
var requests = 'prynai:{main.0}:requests'
var group = 'workers'

// Container Apps does not accept an empty secret.
var signs = !empty(envelopeKey)
var envelopeSecrets = signs ? [
  {
    name: 'envelope-key'
    value: envelopeKey
  }
] : []
var envelopeSettings = signs ? [
  {
    name: 'PRYNAI_ENVELOPE_KEY'
    secretRef: 'envelope-key'
  }
] : []

resource redis 'Microsoft.Cache/redisEnterprise@2025-07-01' existing = {
  name: redisName

  resource database 'databases' existing = {
    name: 'default'
  }
}

var redisAddress = '${redis.properties.hostName}:10000'
var redisKey = redis::database.listKeys().primaryKey

resource worker 'Microsoft.App/containerApps@2025-07-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: [
        {
          server: registryServer
          identity: identityId
        }
      ]
      secrets: concat(envelopeSecrets, [
        {
          name: 'redis-url'
          value: 'rediss://:${uriComponent(redisKey)}@${redisAddress}'
        }
        {
          name: 'redis-key'
          value: redisKey
        }
      ])
    }
    template: {
      // Longer than the process itself takes, so that it is never killed while it finishes.
      terminationGracePeriodSeconds: drainSeconds + 10
      containers: [
        {
          name: 'worker'
          image: image
          command: ['prynai-worker']
          env: concat(envelopeSettings, [
            {
              name: 'PRYNAI_REDIS_URL'
              secretRef: 'redis-url'
            }
            {
              name: 'PRYNAI_CONCURRENCY'
              value: string(concurrency)
            }
            {
              name: 'PRYNAI_DRAIN_TIMEOUT'
              value: '${drainSeconds}s'
            }
            {
              name: 'PRYNAI_LOG_FORMAT'
              value: 'json'
            }
          ])
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        pollingInterval: 5
        cooldownPeriod: 300
        rules: [
          {
            // Requests that no worker has claimed yet. This rule starts the first worker.
            name: 'waiting'
            custom: {
              type: 'redis-streams'
              metadata: {
                address: redisAddress
                enableTLS: 'true'
                stream: requests
                consumerGroup: group
                lagCount: string(max(1, concurrency / 4))
              }
              auth: [
                {
                  secretRef: 'redis-key'
                  triggerParameter: 'password'
                }
              ]
            }
          }
          {
            // Running requests. Without this rule, a fleet that has claimed everything is scaled in while it works.
            name: 'running'
            custom: {
              type: 'redis-streams'
              metadata: {
                address: redisAddress
                enableTLS: 'true'
                stream: requests
                consumerGroup: group
                pendingEntriesCount: string(max(1, concurrency * 3 / 4))
              }
              auth: [
                {
                  secretRef: 'redis-key'
                  triggerParameter: 'password'
                }
              ]
            }
          }
        ]
      }
    }
  }
}
