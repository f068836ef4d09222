// The identity of the apps. It is user-assigned, so that its rights exist before the apps do.

@description('Region.')
param location string
@description('Prefix of the name.')
param name string
@description('Registry from which it may pull.')
param registryName string

// Built-in role AcrPull.
var acrPull = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-identity'
  location: location
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource mayPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, identity.id, acrPull)
  scope: registry
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: acrPull
  }
}

@description('Resource id.')
output id string = identity.id
@description('Client id: by it a process says which of its identities it means.')
output clientId string = identity.properties.clientId
@description('Object id: the name under which Redis and Key Vault know it.')
output principalId string = identity.properties.principalId
