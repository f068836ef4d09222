// The Container Apps environment. It sends its logs to the workspace without a shared key, and traces to Application
// Insights with an OpenTelemetry agent of its own, whose address it gives to every container.

@description('Region.')
param location string
@description('Prefix of the name.')
param name string
@description('Identity with which the environment reads a certificate of your own.')
param identityId string
@description('Workspace for logs.')
param workspaceId string
@description('Connection string of Application Insights; empty for no traces.')
@secure()
param insightsConnection string
@description('Subnet of the replicas, delegated to Microsoft.App/environments; empty for a network that Azure keeps.')
param subnetId string
@description('Whether it can be reached only from its network.')
param internalOnly bool
@description('Whether replicas are spread over zones.')
param zoneRedundant bool
@description('Whether ingress has nodes of its own.')
param premiumIngress bool
@description('Whether it can be reached other than by private link.')
param publicAccess bool

var traces = !empty(insightsConnection)
var consumption = [
  {
    name: 'Consumption'
    workloadProfileType: 'Consumption'
  }
]
var ingressNodes = [
  {
    name: 'ingress'
    workloadProfileType: 'D4'
    minimumCount: 2
    maximumCount: 4
  }
]

resource environment 'Microsoft.App/managedEnvironments@2026-07-01' = {
  name: '${name}-env'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    appLogsConfiguration: {
      destination: 'azure-monitor'
    }
    vnetConfiguration: empty(subnetId) ? null : {
      infrastructureSubnetId: subnetId
      internal: internalOnly
    }
    zoneRedundant: zoneRedundant
    publicNetworkAccess: publicAccess && !internalOnly ? 'Enabled' : 'Disabled'
    workloadProfiles: premiumIngress ? concat(consumption, ingressNodes) : consumption
    // Minutes and seconds; 30 and 3600 are the most that Azure takes.
    ingressConfiguration: premiumIngress ? {
      workloadProfileName: 'ingress'
      requestIdleTimeout: 30
      terminationGracePeriodSeconds: 600
    } : null
    appInsightsConfiguration: traces ? {
      connectionString: insightsConnection
    } : null
    openTelemetryConfiguration: traces ? {
      tracesConfiguration: {
        destinations: ['appInsights']
      }
    } : null
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: environment
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

@description('Resource id.')
output id string = environment.id
@description('Name.')
output name string = environment.name
@description('Domain below which each app has its name.')
output defaultDomain string = environment.properties.defaultDomain
@description('Address of its ingress.')
output address string = environment.properties.staticIp
