// PrynAI MCP on Azure Container Apps: one app for the gateways, one for the workers, and the Redis between them.
// This file has only the parameters and the composition; each module holds one Azure concern.
//
//   REGISTRY_NAME=<registry> IMAGE=<registry>.azurecr.io/prynai-mcp:<tag> API_CLIENT_ID=<guid> \
//     az deployment group create -g <group> -f aca/main.bicep -p aca/dev.bicepparam

targetScope = 'resourceGroup'

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Prefix of every name.')
@minLength(3)
@maxLength(20)
param name string

@description('Container image that holds prynai-gateway and prynai-worker, with its tag.')
param image string

@description('Azure Container Registry that holds the image, in this resource group.')
param registryName string

@description('Size of Azure Managed Redis.')
param redisSku string

@description('Whether Redis has a replica on a second node.')
param redisHighAvailability bool

@description('Gateway replicas, at least one: it holds open streams, and answers while no worker runs.')
@minValue(1)
param gatewayMinReplicas int

@minValue(1)
param gatewayMaxReplicas int

@description('Worker replicas. With 0, the first call after a quiet time waits until a worker has started.')
@minValue(0)
param workerMinReplicas int

@minValue(1)
param workerMaxReplicas int

@description('Requests that one worker runs at the same time.')
@minValue(1)
@maxValue(10000)
param workerConcurrency int = 64

@description('Secret with which gateways sign what workers run, 32 characters or more; two, separated by a comma, while you replace it. If it is empty, nothing is signed. If you add it to a running fleet, calls of that moment may be lost, because gateways and workers are updated together.')
@secure()
param envelopeKey string = ''

@description('Host names that clients may use, besides the one that Container Apps gives the gateway.')
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

@description('App roles of that API; an application that calls on its own needs one of them.')
param roles string[] = []

@description('Seconds that a stopping replica has to finish what it has begun.')
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
