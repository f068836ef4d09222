// The gateways: they hold the clients' connections, and nothing else is reachable from the internet.

param location string
param name string
param environmentId string
param environmentDomain string
param identityId string
param registryServer string
param image string
param redisName string
@secure()
param envelopeKey string
param allowedHosts string[]
param allowedOrigins string[]
param tenantId string
param apiClientId string
param scopes string[]
param roles string[]
param minReplicas int
param maxReplicas int
param drainSeconds int

var port = 8000
var host = '${name}.${environmentDomain}'
// Without origins, the setting is left out.
var pageOrigins = empty(allowedOrigins) ? [] : [
  {
    name: 'PRYNAI_ALLOWED_ORIGIN'
    value: join(allowedOrigins, ',')
  }
]
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

var appRoles = empty(roles) ? [] : [
  {
    name: 'PRYNAI_AUTH_ROLE'
    value: join(roles, ',')
  }
]

resource redis 'Microsoft.Cache/redisEnterprise@2025-07-01' existing = {
  name: redisName

  resource database 'databases' existing = {
    name: 'default'
  }
}

resource gateway 'Microsoft.App/containerApps@2025-07-01' = {
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
      ingress: {
        external: true
        targetPort: port
        transport: 'auto'
        allowInsecure: false
      }
      registries: [
        {
          server: registryServer
          identity: identityId
        }
      ]
      secrets: concat(envelopeSecrets, [
        {
          name: 'redis-url'
          value: 'rediss://:${uriComponent(redis::database.listKeys().primaryKey)}@${redis.properties.hostName}:10000'
        }
      ])
    }
    template: {
      // Longer than the process itself takes, so that it is never killed while it finishes.
      terminationGracePeriodSeconds: drainSeconds + 10
      containers: [
        {
          name: 'gateway'
          image: image
          command: ['prynai-gateway']
          env: concat(pageOrigins, appRoles, envelopeSettings, [
            {
              name: 'PRYNAI_REDIS_URL'
              secretRef: 'redis-url'
            }
            {
              name: 'PRYNAI_LISTEN'
              value: '0.0.0.0:${port}'
            }
            {
              name: 'PRYNAI_ALLOWED_HOST'
              value: join(concat([host], allowedHosts), ',')
            }
            {
              name: 'PRYNAI_AUTH'
              value: 'entra'
            }
            {
              name: 'PRYNAI_AUTH_TENANT'
              value: tenantId
            }
            {
              name: 'PRYNAI_AUTH_AUDIENCE'
              value: apiClientId
            }
            {
              name: 'PRYNAI_AUTH_SCOPE'
              value: join(scopes, ',')
            }
            {
              // The ingress has the certificate, so the gateway does not know that clients use https.
              name: 'PRYNAI_PUBLIC_URL'
              value: 'https://${host}/mcp'
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
          probes: [
            {
              type: 'Startup'
              httpGet: {
                path: '/livez'
                port: port
              }
              periodSeconds: 1
              failureThreshold: 10
            }
            {
              type: 'Liveness'
              httpGet: {
                path: '/livez'
                port: port
              }
              periodSeconds: 10
              timeoutSeconds: 5
              failureThreshold: 3
            }
            {
              // Fails while Redis is away, published events or the keys of the issuer do not arrive, or requests
              // wait in vain for a worker, and once the process is told to stop.
              type: 'Readiness'
              httpGet: {
                path: '/readyz'
                port: port
              }
              periodSeconds: 5
              timeoutSeconds: 3
              failureThreshold: 2
            }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [
          {
            name: 'requests'
            http: {
              metadata: {
                concurrentRequests: '100'
              }
            }
          }
          {
            // The rule above counts requests when they begin; only the load shows long streams.
            name: 'cpu'
            custom: {
              type: 'cpu'
              metadata: {
                type: 'Utilization'
                value: '60'
              }
            }
          }
        ]
      }
    }
  }
}

output endpoint string = 'https://${gateway.properties.configuration.ingress.fqdn}/mcp'
