// The workers: they run the tools and accept no connections. Their number follows the work that waits in Redis.

@description('Region.')
param location string
@description('Name of the app.')
param name string
@description('Environment in which it runs.')
param environmentId string
@description('Identity: its resource id,')
param identityId string
@description('its client id,')
param identityClientId string
@description('Host name of the registry.')
param registryServer string
@description('Image with its tag.')
param image string
@description('Program in it.')
param command string
@description('Host and port of Redis.')
param redisAddress string
@description('How it signs in to Redis.')
@allowed(['entra', 'keys'])
param redisAuth string
@description('Address of Key Vault, with a slash at its end.')
param vaultUri string
@description('Whether requests are signed.')
param signs bool
@description('Whether what tasks keep is sealed.')
param seals bool
@description('Whether what clients carry is signed.')
param signsState bool
@description('Whether tools act at other APIs on behalf of their callers.')
param actsDownstream bool
@description('Further settings, with name and value.')
param settings object[]
@description('Requests that one worker runs at the same time.')
param concurrency int
@description('Replicas at least.')
param minReplicas int
@description('Replicas at most.')
param maxReplicas int
@description('Seconds that running calls have when their worker stops.')
param drainSeconds int

// As shared/redis_bus/src/wire/keys.rs spells them, with the default prefix.
var requests = 'prynai:{main.0}:requests'
var group = 'workers'

var usesEntra = redisAuth == 'entra'

var keySettings = concat(signs ? [
  {
    name: 'PRYNAI_ENVELOPE_KEY'
    secretRef: 'envelope-key'
  }
] : [], seals ? [
  {
    name: 'PRYNAI_TASK_KEY'
    secretRef: 'task-key'
  }
] : [], signsState ? [
  {
    name: 'PRYNAI_STATE_KEY'
    secretRef: 'state-key'
  }
] : [], actsDownstream ? [
  {
    name: 'PRYNAI_DOWNSTREAM_KEY'
    secretRef: 'downstream-key'
  }
] : [])
var keySecrets = concat(signs ? [
  {
    name: 'envelope-key'
    keyVaultUrl: '${vaultUri}secrets/envelope-key'
    identity: identityId
  }
] : [], seals ? [
  {
    name: 'task-key'
    keyVaultUrl: '${vaultUri}secrets/task-key'
    identity: identityId
  }
] : [], signsState ? [
  {
    name: 'state-key'
    keyVaultUrl: '${vaultUri}secrets/state-key'
    identity: identityId
  }
] : [], actsDownstream ? [
  {
    name: 'downstream-key'
    keyVaultUrl: '${vaultUri}secrets/downstream-key'
    identity: identityId
  }
] : [])

// With its identity the app has no password of Redis at all.
var redisSettings = usesEntra ? [
  {
    name: 'PRYNAI_REDIS_URL'
    value: 'rediss://${redisAddress}'
  }
  {
    name: 'PRYNAI_REDIS_AUTH'
    value: 'entra'
  }
  {
    name: 'AZURE_CLIENT_ID'
    value: identityClientId
  }
] : [
  {
    name: 'PRYNAI_REDIS_URL'
    secretRef: 'redis-url'
  }
]
// Secrets have no version, so Container Apps takes over a new value within half an hour.
var redisSecrets = usesEntra ? [] : [
  {
    name: 'redis-url'
    keyVaultUrl: '${vaultUri}secrets/redis-url'
    identity: identityId
  }
]

var own = concat(redisSettings, keySettings, [
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
var ownNames = [for setting in own: setting.name]
var givenNames = [for setting in settings: setting.name]
var setTwice = intersection(ownNames, givenNames)

resource worker 'Microsoft.App/containerApps@2026-07-01' = {
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
      secrets: concat(redisSecrets, keySecrets, [
        {
          // For the scale rules; KEDA cannot sign in with an identity.
          name: 'redis-key'
          keyVaultUrl: '${vaultUri}secrets/redis-key'
          identity: identityId
        }
      ])
      identitySettings: [
        {
          identity: identityId
          // Without Entra ID at Redis, the containers get no tokens.
          lifecycle: usesEntra ? 'Main' : 'None'
        }
      ]
    }
    template: {
      // Longer than the process itself takes, so that it is never killed while it finishes.
      terminationGracePeriodSeconds: drainSeconds + 10
      containers: [
        {
          name: 'worker'
          image: image
          command: [command]
          env: concat(own, empty(setTwice) ? settings : fail('workerEnv sets again: ${join(setTwice, ', ')}'))
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
