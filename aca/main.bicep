// PrynAI MCP on Azure Container Apps: one app for the gateways, one for the workers, and the Redis between them.
// This file has only the parameters and the composition; each module holds one Azure concern. docs/deployment.md has
// the steps; scripts/deploy_aca does them.

targetScope = 'resourceGroup'

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Prefix of every name: lower-case letters, digits and hyphens.')
@minLength(3)
@maxLength(18)
param name string

@description('Container image that holds prynai-gateway, prynai-worker and prynai-ops, with its tag, in the registry of this deployment.')
param image string

@description('Image of the workers, in the same registry, if you have tools of your own; empty for the same image.')
param workerImage string = ''

@description('Program of the workers in their image.')
@minLength(1)
param workerCommand string = 'prynai-worker'

@description('Tier of the container registry.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string

@description('Size of Azure Managed Redis.')
param redisSku string

@description('Whether Redis has a replica on a second node.')
param redisHighAvailability bool

@description('How gateways and workers sign in to Redis: with their identity (entra), or with an access key (keys).')
@allowed(['entra', 'keys'])
param redisAuth string

@description('Access key of Redis in use, by the autoscaler and with redisAuth keys by the apps; change it to replace the other one.')
@allowed(['primary', 'secondary'])
param redisKey string = 'primary'

@description('Whether a virtual network is made, in which Redis and Key Vault have their only address.')
param privateNetwork bool

@description('Address space of that network, a /22 or larger.')
param networkPrefix string = '10.40.0.0/22'

@description('Whether replicas are spread over the zones of the region; needs privateNetwork.')
param zoneRedundant bool = false

@description('Whether the gateway can be reached only from that network; needs privateNetwork, and no front.')
param internalOnly bool = false

@description('Gateway replicas, at least one: it holds open streams, and answers while no worker runs.')
@minValue(1)
param gatewayMinReplicas int

@description('Gateway replicas at most.')
@minValue(1)
@maxValue(1000)
param gatewayMaxReplicas int

@description('Requests a second for which there is one gateway replica: Azure counts those of the last 15 seconds and divides by 15.')
@minValue(1)
param gatewayConcurrentRequests int = 100

@description('Worker replicas. With 0, the first call after a quiet time waits until a worker has started.')
@minValue(0)
param workerMinReplicas int

@description('Worker replicas at most.')
@minValue(1)
@maxValue(1000)
param workerMaxReplicas int

@description('Requests that one worker runs at the same time.')
@minValue(1)
@maxValue(10000)
param workerConcurrency int = 64

@description('Seconds that a stopping gateway has to finish what it has begun.')
@minValue(5)
@maxValue(590)
param gatewayDrainSeconds int = 60

@description('Seconds that running calls have when their worker stops; after that another worker takes them.')
@minValue(5)
@maxValue(590)
param workerDrainSeconds int = 300

@description('Secret with which gateways sign what workers run, 32 characters or more; two, separated by a comma, while you replace it. If it is empty, nothing is signed. If you add it to a running fleet, calls of that moment may be lost, because gateways and workers are updated together.')
@secure()
param envelopeKey string = ''

@description('Secret with which workers sign what clients carry between questions, 32 characters or more; two, separated by a comma, while you replace it.')
@secure()
param stateKey string = ''

@description('Secret that seals what tasks keep in Redis, 32 characters or more; two, separated by a comma, while you replace it. If it is empty, nothing is sealed. To add or remove it, stop all apps while there is no task.')
@secure()
param taskKey string = ''

@description('Client id of the registration in Entra ID with which the gateway signs people in for its clients, as scripts/facade_aca makes it; empty for no façade: then each client needs a registration of its own.')
param facadeClientId string = ''

@description('Secret of the façade that seals what travels through clients and browsers, 32 characters or more; two, separated by a comma, while you replace it.')
@secure()
param facadeKey string = ''

@description('Issuers whose identity assertions (ID-JAG) let people of an enterprise in, separated by commas; empty for none. They need facadeClientId, enterpriseClients and facadeSigningKey.')
param enterpriseIssuers string = ''

@description('Clients that may show such assertions, each with a secret of 16 characters or more: ID=SECRET,ID=SECRET.')
@secure()
param enterpriseClients string = ''

@description('RSA key in PEM with which the façade signs tokens for these people.')
@secure()
param facadeSigningKey string = ''

@description('A second one, which is accepted as well, while you replace the first.')
@secure()
param facadeOtherSigningKey string = ''

@description('Secret that seals tokens for other APIs on their way to workers, 32 characters or more; two, separated by a comma, while you replace it. With it, tools act at other APIs on behalf of their callers: the registration of the API must trust the identity of the apps (docs/security.md). It needs envelopeKey.')
@secure()
param downstreamKey string = ''

@description('Whether tools also act for applications that call by themselves.')
param downstreamApps bool = false

@description('Host names that clients may use, besides the one that Container Apps gives the gateway, the custom domain and the front.')
param allowedHosts string[] = []

@description('Origins of web pages that may call the gateway.')
param allowedOrigins string[] = []

@description('Directory (tenant) whose users and applications may call.')
param tenantId string = tenant().tenantId

@description('Client id of the registration in Entra ID that represents this server as an API; its manifest must request v2 tokens (api.requestedAccessTokenVersion).')
param apiClientId string

@description('Scopes of that API; a caller needs one of them.')
@minLength(1)
param scopes string[] = ['mcp.call']

@description('App roles of that API, as docs/security.md registers them; an application that calls on its own needs one of them.')
param roles string[] = ['Mcp.Call']

@description('Whether the URL of the custom domain is one of the identifierUris of that API. Then clients are told scopes that begin with it, as Entra ID wants it from clients that send the URL, too; else they begin with api://.')
param urlIsIdentifier bool = !empty(customDomain)

@description('Text of the policy file, docs/policy.md, as loadTextContent reads it; empty for none: then every caller may call every tool. No more than a secret of Key Vault holds.')
@maxLength(25000)
param policy string = ''

@description('Further settings of the gateways (docs/settings.md), each with name and value: [{ name: \'PRYNAI_CALLER_SESSIONS\', value: \'20000\' }]. No secrets: whoever may look at the app sees them.')
param gatewayEnv object[] = []

@description('The same for the workers, and for your own tools in them.')
param workerEnv object[] = []

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Whether Key Vault forbids that a deleted vault is removed for good before 90 days have passed; cannot be taken back.')
param purgeProtection bool

@description('Whether traces go to Application Insights.')
param telemetry bool

@description('Host name of your own, such as mcp.example.com, for the gateway or for what stands before it; empty for none. Its DNS records must exist.')
param customDomain string = ''

@description('Certificate of the custom domain, as the URL of a Key Vault secret that the identity of the apps may read; empty for one that Azure makes and renews. API Management and internalOnly need one; Front Door always has one that Azure makes.')
param certificateUrl string = ''

@description('Whether ingress has nodes of its own, where an idle request may last 30 minutes instead of 4.')
param premiumIngress bool = false

@description('What stands before the gateway: nothing, Front Door with a web application firewall, or API Management.')
@allowed(['none', 'frontDoor', 'apiManagement'])
param front string = 'none'

@description('Tier of API Management.')
@allowed(['Developer', 'Basic', 'Standard', 'Premium'])
param apiManagementSku string = 'Developer'

@description('Mail address that API Management asks for.')
param publisherEmail string = ''

module observability 'modules/observability.bicep' = {
  params: {
    location: location
    name: name
    retentionDays: logRetentionDays
    telemetry: telemetry
  }
}

module registry 'modules/registry.bicep' = {
  params: {
    location: location
    name: name
    sku: registrySku
  }
}

module identity 'modules/identity.bicep' = {
  params: {
    location: location
    name: name
    registryName: registry.outputs.name
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  params: {
    location: location
    name: name
    prefix: networkPrefix
  }
}

module redis 'modules/redis.bicep' = {
  params: {
    location: location
    name: name
    sku: redisSku
    highAvailability: redisHighAvailability
    isPrivate: privateNetwork
    networkId: privateNetwork ? network!.outputs.id : ''
    endpointSubnetId: privateNetwork ? network!.outputs.endpointSubnetId : ''
    appPrincipalId: redisAuth == 'entra' ? identity.outputs.principalId : ''
  }
}

module vault 'modules/vault.bicep' = {
  params: {
    location: location
    name: name
    isPrivate: privateNetwork
    networkId: privateNetwork ? network!.outputs.id : ''
    endpointSubnetId: privateNetwork ? network!.outputs.endpointSubnetId : ''
    purgeProtection: purgeProtection
    readerPrincipalId: identity.outputs.principalId
    redisName: redis.outputs.name
    redisKey: redisKey
    keepsUrl: redisAuth == 'keys'
    envelopeKey: envelopeKey
    stateKey: stateKey
    taskKey: taskKey
    facadeKey: facadeKey
    enterpriseClients: enterpriseClients
    facadeSigningKey: facadeSigningKey
    facadeOtherSigningKey: facadeOtherSigningKey
    downstreamKey: downstreamKey
    policy: policy
  }
}

module environment 'modules/environment.bicep' = {
  params: {
    location: location
    name: name
    identityId: identity.outputs.id
    workspaceId: observability.outputs.workspaceId
    insightsConnection: observability.outputs.insightsConnection
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    internalOnly: internalOnly && !(privateNetwork && front == 'none')
      ? fail('internalOnly needs privateNetwork, and no front')
      : internalOnly
    zoneRedundant: zoneRedundant && !privateNetwork ? fail('zoneRedundant needs privateNetwork') : zoneRedundant
    premiumIngress: premiumIngress
    publicAccess: front != 'frontDoor'
  }
}

module internalNames 'modules/internal-names.bicep' = if (internalOnly) {
  params: {
    domain: environment.outputs.defaultDomain
    address: environment.outputs.address
    networkId: network!.outputs.id
  }
}

var gatewayName = '${name}-gateway'
var gatewayHost = '${gatewayName}.${environment.outputs.defaultDomain}'

module frontDoor 'modules/front-door.bicep' = if (front == 'frontDoor') {
  params: {
    location: location
    name: name
    originHost: gatewayHost
    environmentId: environment.outputs.id
    customDomain: customDomain
  }
}

module apiManagement 'modules/api-management.bicep' = if (front == 'apiManagement') {
  params: {
    location: location
    name: name
    sku: apiManagementSku
    publisherEmail: empty(publisherEmail) ? fail('API Management needs publisherEmail') : publisherEmail
    customDomain: customDomain
    certificateUrl: !empty(customDomain) && empty(certificateUrl)
      ? fail('a custom domain of API Management needs certificateUrl')
      : certificateUrl
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    originHost: gatewayHost
  }
}

var frontHost = front == 'frontDoor'
  ? frontDoor!.outputs.host
  : front == 'apiManagement' ? apiManagement!.outputs.host : ''

// With a front, the custom domain is the front's, and not the gateway's.
// Azure proves by a request from the internet whose the name is, before it makes a certificate.
var ownDomain = front == 'none'
  ? internalOnly && !empty(customDomain) && empty(certificateUrl)
    ? fail('a custom domain with internalOnly needs certificateUrl')
    : customDomain
  : ''
var hasOwnCertificate = !empty(ownDomain) && !empty(certificateUrl)

module certificate 'modules/certificate.bicep' = if (hasOwnCertificate) {
  params: {
    location: location
    name: name
    environmentName: environment.outputs.name
    identityId: identity.outputs.id
    certificateUrl: certificateUrl
  }
}

module gateway 'modules/gateway.bicep' = {
  params: {
    location: location
    name: gatewayName
    environmentId: environment.outputs.id
    host: gatewayHost
    frontHost: frontHost
    frontAddresses: front == 'apiManagement' ? apiManagement!.outputs.addresses : []
    customDomain: ownDomain
    certificateId: hasOwnCertificate ? certificate!.outputs.id : ''
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    registryServer: registry.outputs.server
    image: image
    redisAddress: redis.outputs.address
    redisAuth: redisAuth
    vaultUri: vault.outputs.uri
    signs: !empty(envelopeKey)
    seals: !empty(taskKey)
    facadeClientId: !empty(facadeClientId) && empty(facadeKey)
      ? fail('facadeClientId needs facadeKey')
      : facadeClientId
    enterpriseIssuers: !empty(enterpriseIssuers) && (empty(facadeClientId) || empty(enterpriseClients) || empty(facadeSigningKey))
      ? fail('enterpriseIssuers needs facadeClientId, enterpriseClients and facadeSigningKey')
      : enterpriseIssuers
    hasOtherSigningKey: !empty(facadeOtherSigningKey)
    actsDownstream: !empty(downstreamKey) && empty(envelopeKey)
      ? fail('downstreamKey needs envelopeKey')
      : !empty(downstreamKey)
    downstreamApps: downstreamApps
    hasPolicy: !empty(policy)
    urlIsIdentifier: urlIsIdentifier
    settings: gatewayEnv
    allowedHosts: allowedHosts
    allowedOrigins: allowedOrigins
    tenantId: tenantId
    apiClientId: apiClientId
    scopes: scopes
    roles: roles
    // The ingress and both fronts take 240 seconds at most, ingress with nodes of its own 30 minutes.
    streamAge: premiumIngress && front == 'none' ? '25m' : '200s'
    concurrentRequests: gatewayConcurrentRequests
    minReplicas: gatewayMinReplicas
    maxReplicas: gatewayMaxReplicas
    drainSeconds: gatewayDrainSeconds
  }
}

module managedCertificate 'modules/managed-certificate.bicep' = if (!empty(ownDomain) && empty(certificateUrl)) {
  params: {
    location: location
    name: name
    environmentName: environment.outputs.name
    domain: ownDomain
  }
  // Azure makes a certificate only for a name that an app already has.
  dependsOn: [gateway]
}

module worker 'modules/worker.bicep' = {
  params: {
    location: location
    name: '${name}-worker'
    environmentId: environment.outputs.id
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    registryServer: registry.outputs.server
    image: empty(workerImage) ? image : workerImage
    command: workerCommand
    redisAddress: redis.outputs.address
    redisAuth: redisAuth
    vaultUri: vault.outputs.uri
    signs: !empty(envelopeKey)
    seals: !empty(taskKey)
    signsState: !empty(stateKey)
    actsDownstream: !empty(downstreamKey)
    settings: workerEnv
    concurrency: workerConcurrency
    minReplicas: workerMinReplicas
    maxReplicas: workerMaxReplicas
    drainSeconds: workerDrainSeconds
  }
}

module operations 'modules/operations.bicep' = {
  params: {
    location: location
    name: '${name}-ops'
    environmentId: environment.outputs.id
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    registryServer: registry.outputs.server
    image: image
    redisAddress: redis.outputs.address
    redisAuth: redisAuth
    vaultUri: vault.outputs.uri
    signs: !empty(envelopeKey)
    seals: !empty(taskKey)
  }
}

var named = empty(customDomain) ? 'YOUR.NAME' : customDomain

@description('Where MCP clients connect.')
output endpoint string = gateway.outputs.endpoint

@description('Id of the environment, where the private link of Front Door is approved.')
output environmentId string = environment.outputs.id

@description('Name of the vault.')
output vaultName string = vault.outputs.name

@description('Name of the Redis.')
output redisName string = redis.outputs.name

@description('The DNS records of a name of your own. Front Door says the value of its second one only once it knows the name.')
output dnsRecords string[] = front == 'frontDoor'
  ? concat(
      ['${named}  CNAME  ${frontDoor!.outputs.azureHost}'],
      empty(customDomain) ? [] : ['_dnsauth.${named}  TXT  ${frontDoor!.outputs.domainVerification}']
    )
  : front == 'apiManagement'
      ? ['${named}  CNAME  ${apiManagement!.outputs.azureHost}']
      : ['${named}  CNAME  ${gatewayHost}', 'asuid.${named}  TXT  ${gateway.outputs.domainVerification}']
