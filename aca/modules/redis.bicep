// The one thing that gateways and workers share. It holds work and sessions, so it must evict nothing, and a restart
// must lose at most one or two seconds of writes.

@description('Region.')
param location string
@description('Prefix of the name.')
param name string
@description('Size.')
param sku string
@description('Whether there is a replica on a second node.')
param highAvailability bool
@description('Whether the only address is one in the network.')
param isPrivate bool
@description('Network of that address.')
param networkId string
@description('Subnet of that address.')
param endpointSubnetId string
@description('Object id of the identity that may do everything; empty if apps sign in with a key.')
param appPrincipalId string

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: '${name}-redis-${take(uniqueString(resourceGroup().id), 6)}'
  location: location
  sku: {
    name: sku
  }
  properties: {
    minimumTlsVersion: '1.2'
    highAvailability: highAvailability ? 'Enabled' : 'Disabled'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }

  resource database 'databases' = {
    name: 'default'
    properties: {
      clientProtocol: 'Encrypted'
      port: 10000
      // A single endpoint, so a plain client is enough. Allowed up to 25 GB.
      clusteringPolicy: 'NoCluster'
      evictionPolicy: 'NoEviction'
      persistence: {
        aofEnabled: true
        aofFrequency: '1s'
        rdbEnabled: false
      }
      // KEDA's redis-streams scaler cannot sign in with Entra ID.
      accessKeysAuthentication: 'Enabled'
    }

    resource app 'accessPolicyAssignments' = if (!empty(appPrincipalId)) {
      name: 'apps'
      properties: {
        // The only built-in policy; it allows everything.
        accessPolicyName: 'default'
        user: {
          objectId: appPrincipalId
        }
      }
    }
  }
}

module endpoint 'private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    name: '${name}-redis-endpoint'
    serviceId: cluster.id
    groupId: 'redisEnterprise'
    zoneName: 'privatelink.redis.azure.net'
    networkId: networkId
    subnetId: endpointSubnetId
  }
}

@description('Name of the cluster.')
output name string = cluster.name
@description('Host and port.')
output address string = '${cluster.properties.hostName}:10000'
