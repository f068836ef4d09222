// The gateways: they hold the clients' connections, and nothing else is reachable from the internet.

@description('Region.')
param location string
@description('Name of the app.')
param name string
@description('Environment in which it runs.')
param environmentId string
@description('Host name that Container Apps gives it.')
param host string
@description('Host name of what stands before it; empty for nothing.')
param frontHost string
@description('Addresses of what stands before it; if there are any, no others may connect.')
param frontAddresses string[]
@description('Host name of your own; empty for none.')
param customDomain string
@description('Certificate of your own for that name; empty for one that Azure makes.')
param certificateId string
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
@description('Whether requests are signed.')
param signs bool
@description('Whether what tasks keep is sealed.')
param seals bool
@description('Client id of the registration of the façade; empty for none.')
param facadeClientId string
@description('Issuers of assertions that let people of an enterprise in, separated by commas; empty for none.')
param enterpriseIssuers string
@description('Whether the façade accepts a second key of its own.')
param hasOtherSigningKey bool
@description('Whether tools act at other APIs on behalf of their callers,')
param actsDownstream bool
@description('and whether also for applications.')
param downstreamApps bool
@description('Whether there is a policy.')
param hasPolicy bool
@description('Whether the URL of clients is an identifier URI of the API.')
param urlIsIdentifier bool
@description('Further settings, with name and value.')
param settings object[]
@description('Further host names that clients may use.')
param allowedHosts string[]
@description('Origins of web pages that may call.')
param allowedOrigins string[]
@description('Directory whose tokens count.')
param tenantId string
@description('Audience of the tokens.')
param apiClientId string
@description('Scopes, of which a token must have one.')
param scopes string[]
@description('App roles, of which a token must have one unless it has a scope.')
param roles string[]
@description('Time after which a stream is ended in order, for its client to open it again; less than what is in front allows.')
param streamAge string
@description('Requests a second for each replica.')
param concurrentRequests int
@description('Replicas at least.')
param minReplicas int
@description('Replicas at most.')
param maxReplicas int
@description('Seconds to finish what it has begun.')
param drainSeconds int

var port = 8000
var usesEntra = redisAuth == 'entra'
var hasFacade = !empty(facadeClientId)
var hasEnterprise = !empty(enterpriseIssuers)
var publicHost = !empty(frontHost) ? frontHost : !empty(customDomain) ? customDomain : host
var hosts = union([host, publicHost], empty(customDomain) ? [] : [customDomain], allowedHosts)

// Without a value, a setting is left out.
var pageOrigins = empty(allowedOrigins) ? [] : [
  {
    name: 'PRYNAI_ALLOWED_ORIGIN'
    value: join(allowedOrigins, ',')
  }
]
var appRoles = empty(roles) ? [] : [
  {
    name: 'PRYNAI_AUTH_ROLE'
    value: join(roles, ',')
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

// The registration of the façade trusts the identity, so there is no secret of it.
var facadeSettings = hasFacade ? [
  {
    name: 'PRYNAI_OAUTH_FACADE'
    value: 'true'
  }
  {
    name: 'PRYNAI_FACADE_CLIENT_ID'
    value: facadeClientId
  }
  {
    name: 'PRYNAI_FACADE_IDENTITY'
    value: identityClientId
  }
  {
    name: 'PRYNAI_FACADE_KEY'
    secretRef: 'facade-key'
  }
] : []
var facadeSecrets = hasFacade ? [
  {
    name: 'facade-key'
    keyVaultUrl: '${vaultUri}secrets/facade-key'
    identity: identityId
  }
] : []

// Files, since a key has many lines. The first one signs.
var signingFolder = '/etc/prynai-signing'
var signingFiles = concat(hasEnterprise ? [
  {
    secretRef: 'facade-signing-key'
    path: 'signing.pem'
  }
] : [], hasEnterprise && hasOtherSigningKey ? [
  {
    secretRef: 'facade-other-signing-key'
    path: 'other.pem'
  }
] : [])
var enterpriseSettings = hasEnterprise ? [
  {
    name: 'PRYNAI_FACADE_ENTERPRISE_ISSUER'
    value: enterpriseIssuers
  }
  {
    name: 'PRYNAI_FACADE_ENTERPRISE_CLIENT'
    secretRef: 'enterprise-clients'
  }
  {
    name: 'PRYNAI_FACADE_SIGNING_KEY'
    value: hasOtherSigningKey ? '${signingFolder}/signing.pem,${signingFolder}/other.pem' : '${signingFolder}/signing.pem'
  }
] : []
var enterpriseSecrets = concat(hasEnterprise ? [
  {
    name: 'enterprise-clients'
    keyVaultUrl: '${vaultUri}secrets/enterprise-clients'
    identity: identityId
  }
  {
    name: 'facade-signing-key'
    keyVaultUrl: '${vaultUri}secrets/facade-signing-key'
    identity: identityId
  }
] : [], hasEnterprise && hasOtherSigningKey ? [
  {
    name: 'facade-other-signing-key'
    keyVaultUrl: '${vaultUri}secrets/facade-other-signing-key'
    identity: identityId
  }
] : [])

// Only the API itself may exchange tokens that are for it. Its registration trusts the identity.
var downstreamSettings = concat(actsDownstream ? [
  {
    name: 'PRYNAI_DOWNSTREAM_CLIENT_ID'
    value: apiClientId
  }
  {
    name: 'PRYNAI_DOWNSTREAM_IDENTITY'
    value: identityClientId
  }
  {
    name: 'PRYNAI_DOWNSTREAM_KEY'
    secretRef: 'downstream-key'
  }
] : [], actsDownstream && downstreamApps ? [
  {
    name: 'PRYNAI_DOWNSTREAM_APPS'
    value: 'true'
  }
] : [])
var downstreamSecrets = actsDownstream ? [
  {
    name: 'downstream-key'
    keyVaultUrl: '${vaultUri}secrets/downstream-key'
    identity: identityId
  }
] : []

// Without it, scopes begin with api:// and the client id.
var scopePrefix = urlIsIdentifier ? [
  {
    name: 'PRYNAI_AUTH_SCOPE_PREFIX'
    value: 'https://${publicHost}/mcp/'
  }
] : []

var policySettings = hasPolicy ? [
  {
    name: 'PRYNAI_POLICY'
    value: '/etc/prynai/policy.toml'
  }
] : []
var policySecrets = hasPolicy ? [
  {
    name: 'policy'
    keyVaultUrl: '${vaultUri}secrets/policy'
    identity: identityId
  }
] : []

var own = concat(pageOrigins, appRoles, keySettings, redisSettings, facadeSettings, enterpriseSettings, downstreamSettings, scopePrefix, policySettings, [
  {
    name: 'PRYNAI_LISTEN'
    value: '0.0.0.0:${port}'
  }
  {
    name: 'PRYNAI_ALLOWED_HOST'
    value: join(hosts, ',')
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
    value: 'https://${publicHost}/mcp'
  }
  {
    name: 'PRYNAI_MAX_STREAM_AGE'
    value: streamAge
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

var domains = empty(customDomain) ? [] : empty(certificateId) ? [
  {
    name: customDomain
    bindingType: 'Auto'
  }
] : [
  {
    name: customDomain
    bindingType: 'SniEnabled'
    certificateId: certificateId
  }
]

resource gateway 'Microsoft.App/containerApps@2026-07-01' = {
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
        customDomains: domains
        ipSecurityRestrictions: [
          for (address, at) in frontAddresses: {
            name: 'front-${at}'
            action: 'Allow'
            ipAddressRange: '${address}/32'
          }
        ]
      }
      registries: [
        {
          server: registryServer
          identity: identityId
        }
      ]
      secrets: concat(redisSecrets, keySecrets, facadeSecrets, enterpriseSecrets, downstreamSecrets, policySecrets)
      identitySettings: [
        {
          identity: identityId
          // Without Entra ID at Redis, a façade and other APIs, the containers get no tokens.
          lifecycle: usesEntra || hasFacade || actsDownstream ? 'Main' : 'None'
        }
      ]
    }
    template: {
      // Longer than the process itself takes, so that it is never killed while it finishes.
      terminationGracePeriodSeconds: drainSeconds + 10
      containers: [
        {
          name: 'gateway'
          image: image
          command: ['prynai-gateway']
          env: concat(own, empty(setTwice) ? settings : fail('gatewayEnv sets again: ${join(setTwice, ', ')}'))
          volumeMounts: concat(hasPolicy ? [
            {
              volumeName: 'policy'
              mountPath: '/etc/prynai'
            }
          ] : [], hasEnterprise ? [
            {
              volumeName: 'signing'
              mountPath: signingFolder
            }
          ] : [])
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
              // Only whether it takes the connection: a gateway that is full refuses who asks for more, and must not be
              // ended for it.
              type: 'Liveness'
              tcpSocket: {
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
      volumes: concat(hasPolicy ? [
        {
          name: 'policy'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'policy'
              path: 'policy.toml'
            }
          ]
        }
      ] : [], hasEnterprise ? [
        {
          name: 'signing'
          storageType: 'Secret'
          secrets: signingFiles
        }
      ] : [])
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [
          {
            name: 'requests'
            http: {
              metadata: {
                concurrentRequests: string(concurrentRequests)
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

@description('Where MCP clients connect.')
output endpoint string = 'https://${publicHost}/mcp'
@description('What proves to Azure whose the custom domain is.')
output domainVerification string = gateway.properties.customDomainVerificationId
