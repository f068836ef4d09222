// The one thing that gateways and workers share. It holds work and sessions, so it must evict nothing, and a restart
// must lose at most one or two seconds of writes.

param location string
param name string
param sku string
param highAvailability bool

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: '${name}-redis'
  location: location
  sku: {
    name: sku
  }
  properties: {
    minimumTlsVersion: '1.2'
    highAvailability: highAvailability ? 'Enabled' : 'Disabled'
    publicNetworkAccess: 'Enabled'
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
  }
}

output name string = cluster.name
