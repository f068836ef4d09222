// Key Vault: every secret of the apps lies here, and only the identity of the apps may read them.

@description('Region.')
param location string
@description('Prefix of the name; the name itself must be the only one of its kind in Azure.')
param name string
@description('Whether the only address is one in the network.')
param isPrivate bool
@description('Network of that address.')
param networkId string
@description('Subnet of that address.')
param endpointSubnetId string
@description('Whether nobody can remove a deleted vault for good before 90 days have passed.')
param purgeProtection bool
@description('Object id of the identity that reads.')
param readerPrincipalId string
@description('Redis whose access key is kept.')
param redisName string
@description('Which of its two keys.')
@allowed(['primary', 'secondary'])
param redisKey string
@description('Whether the URL of Redis with that key is kept, too, for apps that sign in with it.')
param keepsUrl bool
@description('Secret that signs requests; empty for none.')
@secure()
param envelopeKey string
@description('Secret that signs what clients carry; empty for none.')
@secure()
param stateKey string
@description('Secret that seals what tasks keep; empty for none.')
@secure()
param taskKey string
@description('Secret that seals what the façade hands out; empty for none.')
@secure()
param facadeKey string
@description('Clients that show assertions of an enterprise, with their secrets; empty for none.')
@secure()
param enterpriseClients string
@description('Key with which the façade signs; empty for none.')
@secure()
param facadeSigningKey string
@description('A second one that is accepted; empty for none.')
@secure()
param facadeOtherSigningKey string
@description('Secret that seals tokens for other APIs; empty for none.')
@secure()
param downstreamKey string
@description('Text of the policy file; empty for none.')
param policy string

// Built-in role Key Vault Secrets User.
var secretsUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '4633458b-17de-408a-b874-0445c86b69e6')

resource redis 'Microsoft.Cache/redisEnterprise@2025-07-01' existing = {
  name: redisName

  resource database 'databases' existing = {
    name: 'default'
  }
}

var keys = redis::database.listKeys()
var accessKey = redisKey == 'primary' ? keys.primaryKey : keys.secondaryKey

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  // Two hyphens in a row would be refused, and so would more than 24 characters.
  name: '${take(replace(name, '-', ''), 10)}-${uniqueString(resourceGroup().id)}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    // Azure refuses false: only true can be said.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }

  resource key 'secrets' = {
    name: 'redis-key'
    properties: {
      value: accessKey
    }
  }

  resource url 'secrets' = if (keepsUrl) {
    name: 'redis-url'
    properties: {
      value: 'rediss://:${uriComponent(accessKey)}@${redis.properties.hostName}:10000'
    }
  }

  resource envelope 'secrets' = if (!empty(envelopeKey)) {
    name: 'envelope-key'
    properties: {
      value: envelopeKey
    }
  }

  resource state 'secrets' = if (!empty(stateKey)) {
    name: 'state-key'
    properties: {
      value: stateKey
    }
  }

  resource task 'secrets' = if (!empty(taskKey)) {
    name: 'task-key'
    properties: {
      value: taskKey
    }
  }

  resource facade 'secrets' = if (!empty(facadeKey)) {
    name: 'facade-key'
    properties: {
      value: facadeKey
    }
  }

  resource enterprise 'secrets' = if (!empty(enterpriseClients)) {
    name: 'enterprise-clients'
    properties: {
      value: enterpriseClients
    }
  }

  resource signing 'secrets' = if (!empty(facadeSigningKey)) {
    name: 'facade-signing-key'
    properties: {
      value: facadeSigningKey
    }
  }

  resource otherSigning 'secrets' = if (!empty(facadeOtherSigningKey)) {
    name: 'facade-other-signing-key'
    properties: {
      value: facadeOtherSigningKey
    }
  }

  resource downstream 'secrets' = if (!empty(downstreamKey)) {
    name: 'downstream-key'
    properties: {
      value: downstreamKey
    }
  }

  // It is no secret. But a changed one reaches the gateways from here, as a file.
  resource rules 'secrets' = if (!empty(policy)) {
    name: 'policy'
    properties: {
      value: policy
    }
  }
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, readerPrincipalId, secretsUser)
  scope: vault
  properties: {
    principalId: readerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: secretsUser
  }
}

module endpoint 'private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    name: '${name}-vault-endpoint'
    serviceId: vault.id
    groupId: 'vault'
    zoneName: 'privatelink.vaultcore.azure.net'
    networkId: networkId
    subnetId: endpointSubnetId
  }
}

@description('Name of the vault.')
output name string = vault.name

@description('Address of the vault, with a slash at its end.')
output uri string = vault.properties.vaultUri
