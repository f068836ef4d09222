// PrynAI MCP on Azure Container Apps: one app for the gateways, one for the workers, and the Redis between them.
// Parameters and composition only; each module holds one Azure concern.
//
//   REGISTRY_NAME=<registry> IMAGE=<registry>.azurecr.io/prynai-mcp:<tag> API_CLIENT_ID=<guid> \
//     az deployment group create -g <group> -f aca/main.bicep -p aca/dev.bicepparam

targetScope = 'resourceGroup'

@description('Region of everything.')
param location string = resourceGroup().location

@description('Beginning of every name.')
@minLength(3)
@maxLength(20)
param name string

@description('Container image with prynai-gateway and prynai-worker, with its tag.')
param image string

@description('Azure Container Registry that holds the image, in this resource group.')
param registryName string

@description('Size of Azure Managed Redis.')
param redisSku string

@description('Whether Redis has a replica on a second node.')
param redisHighAvailability bool

@description('Gateway replicas. At least one: it holds open streams and answers while no worker runs.')
@minValue(1)
param gatewayMinReplicas int

@minValue(1)
param gatewayMaxReplicas int

@description('Worker replicas. With 0, the first call after a quiet time waits for a worker to start.')
@minValue(0)
param workerMinReplicas int

@minValue(1)
param workerMaxReplicas int

@description('Requests that one worker runs at the same time.')
@minValue(1)
@maxValue(10000)
param workerConcurrency int = 64

@description('Secret with which gateways sign what workers run, 32 characters or more; two, separated by a comma, while it is replaced. Empty: nothing is signed. Given to a fleet that runs already, it may cost the calls of that moment.')
@secure()
param envelopeKey string = ''

@description('Host names clients may use, besides the one Container Apps gives the gateway.')
param allowedHosts string[] = []

@description('Origins of web pages that may call the gateway.')
param allowedOrigins string[] = []

@description('Directory (tenant) whose users and applications may call.')
param tenantId string = tenant().tenantId

@description('Client id of the registration in Entra ID that stands for this server as an API; its manifest asks for v2 tokens (api.requestedAccessTokenVersion).')
param apiClientId string

@description('Scopes of that API, of which a caller needs one.')
@minLength(1)
param scopes string[] = ['mcp.call']

@description('App roles of that API, of which an application that calls by itself needs one.')
param roles string[] = []

@description('Seconds that a stopping replica has to end what it has begun.')
@minValue(5)
@maxValue(590)
param drainSeconds int = 60

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

module observability 'modules/observability.bicep' = {
  params: {
    location: location
    name: name
    retentionDays: logRetentionDays
  }
}

module identity 'modules/identity.bicep' = {
  params: {
    location: location
    name: name
    registryName: registryName
  }
}

module redis 'modules/redis.bicep' = {
  params: {
    location: location
    name: name
    sku: redisSku
    highAvailability: redisHighAvailability
  }
}

module environment 'modules/environment.bicep' = {
  params: {
    location: location
    name: name
    workspaceId: observability.outputs.workspaceId
  }
}

module gateway 'modules/gateway.bicep' = {
  params: {
    location: location
    name: '${name}-gateway'
    environmentId: environment.outputs.id
    environmentDomain: environment.outputs.defaultDomain
    identityId: identity.outputs.id
    registryServer: identity.outputs.registryServer
    image: image
    redisName: redis.outputs.name
    envelopeKey: envelopeKey
    allowedHosts: allowedHosts
    allowedOrigins: allowedOrigins
    tenantId: tenantId
    apiClientId: apiClientId
    scopes: scopes
    roles: roles
    minReplicas: gatewayMinReplicas
    maxReplicas: gatewayMaxReplicas
    drainSeconds: drainSeconds
  }
}

module worker 'modules/worker.bicep' = {
  params: {
    location: location
    name: '${name}-worker'
    environmentId: environment.outputs.id
    identityId: identity.outputs.id
    registryServer: identity.outputs.registryServer
    image: image
    redisName: redis.outputs.name
    envelopeKey: envelopeKey
    concurrency: workerConcurrency
    minReplicas: workerMinReplicas
    maxReplicas: workerMaxReplicas
    drainSeconds: drainSeconds
  }
}

@description('Where MCP clients connect.')
output endpoint string = gateway.outputs.endpoint
