// The workers: they run the tools, take no connections, and come and go with the work that waits in Redis.

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

// As shared/redis_bus/src/keys.rs spells them, under the default prefix.
var requests = 'prynai:{main.0}:requests'
var group = 'workers'

// A secret must not be empty.
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
      // Longer than the process takes by itself, so that it is never killed while it ends.
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
            // Requests that no worker has claimed yet. Wakes the first worker.
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
            // Requests that run. Without it a fleet that has claimed everything would be scaled in while it works.
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
