// Runs prynai-ops where Redis can be reached, with the identity of the apps. It costs nothing while it does not run;
// scripts/ops_aca starts it with the words that you say.

@description('Region.')
param location string
@description('Name of the job.')
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
@description('Host and port of Redis.')
param redisAddress string
@description('How it signs in to Redis.')
@allowed(['entra', 'keys'])
param redisAuth string
@description('Address of Key Vault, with a slash at its end.')
param vaultUri string
@description('Whether requests are signed; to queue one again, it must sign it.')
param signs bool
@description('Whether what tasks keep is sealed.')
param seals bool

var usesEntra = redisAuth == 'entra'

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
var redisSecrets = usesEntra ? [] : [
  {
    name: 'redis-url'
    keyVaultUrl: '${vaultUri}secrets/redis-url'
    identity: identityId
  }
]
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
] : [])

resource operations 'Microsoft.App/jobs@2026-07-01' = {
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
      triggerType: 'Manual'
      manualTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
      }
      // A dead letter that is replayed may take as long as a call (--request-timeout, an hour).
      replicaTimeout: 3900
      // What was asked is not asked twice.
      replicaRetryLimit: 0
      registries: [
        {
          server: registryServer
          identity: identityId
        }
      ]
      secrets: concat(redisSecrets, keySecrets)
      identitySettings: [
        {
          identity: identityId
          // Without Entra ID at Redis, the container gets no tokens.
          lifecycle: usesEntra ? 'Main' : 'None'
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'ops'
          image: image
          command: ['prynai-ops']
          args: ['status']
          env: concat(redisSettings, keySettings)
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
    }
  }
}
